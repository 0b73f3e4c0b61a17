#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::data {

// Gives `noise.fraction` of the samples `train` other labels, of `classes` classes. Which samples
// and which labels are pure functions of (noise.seed, sample number): another order of `train`
// changes nothing. Returns how many labels are now others than before (with the kind `uniform`
// fewer than were drawn).
int64_t AddLabelNoise(const v1::LabelNoise& noise, int classes, absl::Span<const int64_t> train,
                      std::vector<int32_t>& labels);

}  // namespace skytrain::data
