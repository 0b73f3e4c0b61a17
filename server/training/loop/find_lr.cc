#include "server/training/loop/find_lr.h"

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "server/training/loop/progress_meter.h"
#include "server/training/optim/lr_range_test.h"

namespace skytrain::training {
namespace {

// Batches without end: epoch after epoch.
class EndlessBatches {
 public:
  EndlessBatches(const TrainerOptions& options, const BatchSource& source)
      : options_(options), source_(source) {}

  absl::StatusOr<Batch> Next() {
    while (true) {
      if (stream_ != nullptr) {
        if (std::optional<Batch> batch = stream_->Next()) return *std::move(batch);
        RETURN_IF_ERROR(stream_->status());
      }
      stream_ = std::make_unique<BatchStream>(source_, EpochOrderOf(options_, ++epoch_));
    }
  }
  int epoch() const { return epoch_; }

 private:
  const TrainerOptions& options_;
  const BatchSource& source_;
  std::unique_ptr<BatchStream> stream_;
  int epoch_ = 0;
};

std::string MessageOf(const LrRangeTest& test) {
  const std::string range = absl::StrFormat("%d steps, from %.2g to %.2g", test.steps(),
                                            test.Rate(0), test.Rate(test.steps() - 1));
  if (const std::optional<double> rate = test.Suggestion()) {
    return absl::StrFormat("suggested learning rate: %.2g (%s)", *rate, range);
  }
  return absl::StrFormat(
      "no learning rate to suggest: the loss falls nowhere (%s). Look at the curve; a smaller "
      "train.find_lr.min, or more train.find_lr.steps, may show more",
      range);
}

}  // namespace

absl::StatusOr<TrainingOutcome> FindLearningRate(const TrainerOptions& options,
                                                 TrainingParts& parts) {
  const spec::TrainingPlan& plan = options.plan;
  const int64_t samples = int64_t{plan.find_lr->steps} * plan.batch_size;
  LrRangeTest test(*plan.find_lr);
  ProgressMeter meter(options.sink, options.clock, /*epochs=*/0, samples);
  meter.Begin("find_lr", 0, 0, samples);
  parts.model->SetTraining(true);
  EndlessBatches batches(options, *parts.source);
  for (bool more = true; more;) {
    if (options.control.stop.load()) {
      return TrainingOutcome{v1::STOPPED,
                             "stopped while looking for a learning rate; started again, it begins "
                             "anew",
                             0,
                             0,
                             {}};
    }
    ASSIGN_OR_RETURN(const Batch batch, batches.Next());
    const int64_t step = test.steps();
    const double lr = test.Rate(static_cast<int>(step));
    parts.step->Run(batch, step, lr, [&](const TrainingStep::Found& found) {
      const double loss = found.loss.item<double>();
      options.sink.Metric("find_lr/lr", step + 1, batches.epoch(), lr);
      options.sink.Metric("find_lr/loss", step + 1, batches.epoch(), loss);
      more = test.Add(loss);
      if (std::isfinite(loss)) {
        options.sink.Metric("find_lr/smoothed_loss", step + 1, batches.epoch(), test.smoothed());
      }
      return more;
    });
    meter.Add(plan.batch_size);
  }
  meter.End();
  if (test.steps() == 0) {
    return TrainingOutcome{
        v1::NON_FINITE_LOSS,
        "the loss of the first step is not finite, at any learning rate: look at the data",
        0,
        0,
        {}};
  }
  if (const std::optional<double> rate = test.Suggestion()) {
    options.sink.Metric("find_lr/suggestion", test.steps(), batches.epoch(), *rate);
  }
  return TrainingOutcome{v1::COMPLETED, MessageOf(test), 0, 0, {}};
}

}  // namespace skytrain::training
