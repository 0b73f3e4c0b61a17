#include "server/training/loop/evaluate.h"

#include <cmath>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/strings/str_cat.h"
#include "server/training/tasks/classification.h"

namespace skytrain::training {

absl::StatusOr<v1::EvaluationReport> Evaluate(Model& model, const BatchSource& source,
                                              const std::vector<int64_t>& samples,
                                              int64_t batch_size, const at::Tensor& class_weights,
                                              const std::string& split, const RunControl& control,
                                              ProgressMeter& meter) {
  const at::NoGradGuard no_grad;
  const std::vector<std::string>& classes = source.dataset().classes();
  const bool was_training = model.training();
  model.SetTraining(false);
  BatchOrder order;
  order.samples = samples;
  order.batch_size = batch_size;
  BatchStream stream(source, std::move(order));
  ClassificationMetrics metrics(static_cast<int64_t>(classes.size()), class_weights,
                                source.device());
  bool stopped = false;
  while (std::optional<Batch> batch = stream.Next()) {
    stopped = control.stop.load();
    if (stopped) break;
    metrics.Add(model.Forward(batch->input), batch->labels);
    meter.Add(batch->labels.size(0));
  }
  model.SetTraining(was_training);
  if (stopped) return absl::CancelledError("stopped while measuring");
  return metrics.Report(split, classes);
}

void PushReport(EventSink& sink, const std::string& prefix, const v1::EvaluationReport& report,
                int64_t step, int epoch) {
  sink.Metric(prefix + "/loss", step, epoch, report.loss());
  sink.Metric(prefix + "/accuracy", step, epoch, report.accuracy());
  sink.Metric(prefix + "/balanced_accuracy", step, epoch, report.balanced_accuracy());
  for (int k = 0; k < report.classes_size(); ++k) {
    // NaN: the split has no sample of this class, so there is nothing to plot.
    if (std::isnan(report.recall(k))) continue;
    sink.Metric(absl::StrCat(prefix, "/recall/", report.classes(k)), step, epoch, report.recall(k));
  }
}

}  // namespace skytrain::training
