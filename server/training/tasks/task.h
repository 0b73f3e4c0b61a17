#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "server/data/dataset.h"
#include "server/spec/plan.h"
#include "server/training/input/batch_stream.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// Collects a pass over a split on the device; nothing waits for it before Report. Not thread-safe.
class SplitMetrics {
 public:
  virtual ~SplitMetrics() = default;
  // `outputs` float32 [N, Task::outputs()], of the samples of `batch`.
  virtual void Add(const at::Tensor& outputs, const Batch& batch) = 0;
  virtual v1::EvaluationReport Report(const std::string& split) const = 0;
};

// What a model is asked: how many numbers its last layer puts out, what they are worth, and how
// good they are. Immutable. A task is one class below this folder, made by MakeTask.
class Task {
 public:
  virtual ~Task() = default;

  // What it is called in reports: "classification".
  virtual std::string name() const = 0;
  // Values of the model's last layer.
  virtual int64_t outputs() const = 0;

  // Mean loss of a batch, weighted where samples have weights: a float32 scalar. Records gradients.
  virtual at::Tensor Loss(const at::Tensor& outputs, const Batch& batch) const = 0;
  // What Loss divides by: losses of parts of a batch, times the part's weight over the sum of all
  // weights, add up to the batch's. A float32 scalar.
  virtual at::Tensor LossWeight(const Batch& batch) const;

  // The metric of training epochs, without "train/": TrainMetric of the mean over an epoch's
  // samples, TrainSum being the sum over a batch's (a scalar of any type).
  virtual std::string train_metric() const = 0;
  virtual at::Tensor TrainSum(const at::Tensor& outputs, const Batch& batch) const = 0;
  virtual double TrainMetric(double mean) const { return mean; }

  // Outlived by the task.
  virtual std::unique_ptr<SplitMetrics> Metrics() const = 0;

  // What users get, float32 [N, prediction_names()]: probabilities, numbers in the targets' units,
  // fractions.
  virtual at::Tensor Predictions(const at::Tensor& outputs) const = 0;
  virtual std::vector<std::string> prediction_names() const = 0;
  // Deviations of single predictions, of the shape of Predictions, of a task that knows_deviations:
  // whose outputs tell them.
  virtual bool knows_deviations() const { return false; }
  virtual at::Tensor Deviations(const at::Tensor& /*outputs*/) const { return {}; }
  // Loss of each sample by itself, float32 [N], whatever classes and samples weigh: what mistakes
  // are ordered by.
  virtual at::Tensor SampleLosses(const at::Tensor& outputs, const Batch& batch) const = 0;
  // Back from predictions [N, prediction_names()] that were averaged over several passes: outputs
  // float32 [N, outputs()] of which Predictions makes them again, for SplitMetrics. `mean_outputs`:
  // the average of the passes' outputs, for what predictions do not tell.
  virtual at::Tensor OutputsFor(const at::Tensor& predictions,
                                const at::Tensor& mean_outputs) const = 0;
};

// What a task knows of the data that it was trained on. Part of the model's card.
struct TaskFacts {
  std::vector<std::string> classes;
  std::vector<double> class_weights;  // Of the loss, one a class; empty: none.
  // Of each target of a regression. A deviation is never 0.
  std::vector<double> target_mean, target_deviation;
};

// From the train split of `dataset`.
TaskFacts FactsOf(const spec::TaskPlan& plan, const data::Dataset& dataset);

// FAILED_PRECONDITION (DATA_INVALID) when the data is not for this task.
absl::StatusOr<std::unique_ptr<Task>> MakeTask(const spec::TaskPlan& plan, TaskFacts facts,
                                               const c10::Device& device);

// Logits of which a softmax makes `shares` again, as far as these add up to 1. A share of 0 becomes
// the smallest that float32 has.
at::Tensor LogOfShares(const at::Tensor& shares);

}  // namespace skytrain::training
