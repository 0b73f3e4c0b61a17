#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/event_sink.h"
#include "server/training/loop/predictor.h"
#include "server/training/loop/progress_meter.h"
#include "server/training/loop/run_control.h"
#include "server/training/models/model.h"
#include "server/training/tasks/task.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// Measures `model`, in evaluation mode, on every one of `samples`. CANCELLED when control.stop is
// set meanwhile.
absl::StatusOr<v1::EvaluationReport> Evaluate(Model& model, const BatchSource& source,
                                              const std::vector<int64_t>& samples,
                                              int64_t batch_size, const Task& task,
                                              const std::string& split, const RunControl& control,
                                              ProgressMeter& meter);

// Takes what was predicted for `samples`, which are those of `batch`.
using PredictionSink = std::function<absl::Status(const Predicted& predicted, const Batch& batch,
                                                  absl::Span<const int64_t> samples)>;

// Predicts every one of `samples`, in this order, batch by batch. CANCELLED when control.stop is
// set meanwhile, and the sink's errors.
absl::Status PredictSamples(Predictor& predictor, const BatchSource& source,
                            const std::vector<int64_t>& samples, int64_t batch_size,
                            const RunControl& control, ProgressMeter& meter,
                            const PredictionSink& sink);

// Pushes PREFIX/loss and what else the report has: of classification /accuracy, /balanced_accuracy
// and /recall/CLASS, then every measure. What is NaN is left out: there is nothing to plot.
void PushReport(EventSink& sink, const std::string& prefix, const v1::EvaluationReport& report,
                int64_t step, int epoch);

}  // namespace skytrain::training
