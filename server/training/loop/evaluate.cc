#include "server/training/loop/evaluate.h"

#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace skytrain::training {
namespace {

// Calls `use` with each batch of `samples`, in this order, and with which of them it holds, until
// that fails. CANCELLED when control.stop is set meanwhile. `doing`: for that message.
template <typename Use>
absl::Status ForEachBatch(const BatchSource& source, const std::vector<int64_t>& samples,
                          int64_t batch_size, const RunControl& control, ProgressMeter& meter,
                          absl::string_view doing, const Use& use) {
  const at::NoGradGuard no_grad;
  BatchOrder order;
  order.samples = samples;
  order.batch_size = batch_size;
  BatchStream stream(source, std::move(order));
  int64_t done = 0;
  while (std::optional<Batch> batch = stream.Next()) {
    if (control.stop.load()) return absl::CancelledError(absl::StrCat("stopped while ", doing));
    const int64_t count = batch->labels.size(0);
    RETURN_IF_ERROR(use(*batch, absl::MakeConstSpan(samples).subspan(done, count), done));
    done += count;
    meter.Add(count);
  }
  return stream.status();
}

}  // namespace

absl::StatusOr<v1::EvaluationReport> Evaluate(Model& model, const BatchSource& source,
                                              const std::vector<int64_t>& samples,
                                              int64_t batch_size, const Task& task,
                                              const std::string& split, const RunControl& control,
                                              ProgressMeter& meter) {
  const bool was_training = model.training();
  model.SetTraining(false);
  const std::unique_ptr<SplitMetrics> metrics = task.Metrics();
  const auto measure = [&](const Batch& batch, absl::Span<const int64_t>, int64_t) {
    metrics->Add(model.Forward(batch.input), batch);
    return absl::OkStatus();
  };
  const absl::Status measured =
      ForEachBatch(source, samples, batch_size, control, meter, "measuring", measure);
  model.SetTraining(was_training);
  RETURN_IF_ERROR(measured);
  return metrics->Report(split);
}

absl::Status PredictSamples(Predictor& predictor, const BatchSource& source,
                            const std::vector<int64_t>& samples, int64_t batch_size,
                            const RunControl& control, ProgressMeter& meter,
                            const PredictionSink& sink) {
  return ForEachBatch(
      source, samples, batch_size, control, meter, "predicting",
      [&](const Batch& batch, absl::Span<const int64_t> of_batch, int64_t position) {
        return sink(predictor.Predict(batch.input, position), batch, of_batch);
      });
}

void PushReport(EventSink& sink, const std::string& prefix, const v1::EvaluationReport& report,
                int64_t step, int epoch) {
  sink.Metric(prefix + "/loss", step, epoch, report.loss());
  const auto push = [&](absl::string_view name, double value) {
    if (!std::isnan(value)) sink.Metric(absl::StrCat(prefix, "/", name), step, epoch, value);
  };
  if (report.classes_size() > 0) {
    push("accuracy", report.accuracy());
    push("balanced_accuracy", report.balanced_accuracy());
  }
  for (int k = 0; k < report.classes_size(); ++k) {
    push(absl::StrCat("recall/", report.classes(k)), report.recall(k));
  }
  for (const auto& measure : report.measures()) push(measure.name(), measure.value());
}

}  // namespace skytrain::training
