#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/event_sink.h"
#include "server/training/loop/progress_meter.h"
#include "server/training/loop/run_control.h"
#include "server/training/models/model.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// Measures `model`, in evaluation mode, on every one of `samples`. CANCELLED when control.stop is
// set meanwhile.
absl::StatusOr<v1::EvaluationReport> Evaluate(Model& model, const BatchSource& source,
                                              const std::vector<int64_t>& samples,
                                              int64_t batch_size, const at::Tensor& class_weights,
                                              const std::string& split, const RunControl& control,
                                              ProgressMeter& meter);

// Pushes PREFIX/loss, /accuracy, /balanced_accuracy and /recall/CLASS.
void PushReport(EventSink& sink, const std::string& prefix, const v1::EvaluationReport& report,
                int64_t step, int epoch);

}  // namespace skytrain::training
