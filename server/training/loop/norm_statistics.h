#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/progress_meter.h"
#include "server/training/loop/run_control.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// How many samples RecomputeStatistics looks at, at most (one batch at least).
inline constexpr int64_t kStatisticsSamples = 16'384;

// Running means and variances of `model`'s batch norms anew, for weights that were not trained
// (means of weights): the mean over the batches of `order` of each batch's own, as
// torch.optim.swa_utils.update_bn takes it, from its first kStatisticsSamples samples. Statistics
// of frozen stages, and counters, stay. `seed`: of what is dropped at random. CANCELLED when asked
// to stop; then the statistics are those from before.
absl::Status RecomputeStatistics(Model& model, const BatchSource& source, BatchOrder order,
                                 uint64_t seed, const RunControl& control, ProgressMeter& meter);

}  // namespace skytrain::training
