#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/training/tasks/task.h"

namespace skytrain::training {

// A task whose loss is the mean of its samples' losses, weighted where samples have weights.
class SampleLossTask : public Task {
 public:
  // Of SampleLosses, which here record gradients.
  at::Tensor Loss(const at::Tensor& outputs, const Batch& batch) const final;
};

// What every such task reports, count and loss, and what one adds to it.
class SampleLossMetrics : public SplitMetrics {
 public:
  // `task` must outlive this.
  SampleLossMetrics(const SampleLossTask& task, const c10::Device& device);

  void Add(const at::Tensor& outputs, const Batch& batch) final;
  v1::EvaluationReport Report(const std::string& split) const final;

 protected:
  // Samples so far.
  int64_t count() const { return count_; }
  // As Add. Without gradients.
  virtual void AddAnswers(const at::Tensor& outputs, const Batch& batch) = 0;
  virtual void AddMeasures(v1::EvaluationReport& report) const = 0;

 private:
  const SampleLossTask& task_;
  int64_t count_ = 0;
  at::Tensor loss_, weight_;  // float64 scalars: sums.
};

// A task that predicts numbers, one for each of some columns, and is measured by their squared
// errors. The loss is the derived task's.
class ColumnsTask : public SampleLossTask {
 public:
  int64_t outputs() const final { return static_cast<int64_t>(columns_.size()); }
  std::string train_metric() const final { return "rmse"; }
  at::Tensor TrainSum(const at::Tensor& outputs, const Batch& batch) const final;
  double TrainMetric(double mean) const final;
  std::vector<std::string> prediction_names() const final { return columns_; }

 protected:
  ColumnsTask(std::vector<std::string> columns, const c10::Device& device)
      : columns_(std::move(columns)), device_(device) {}

  // "rmse", over all columns and of each. Where `means` of the columns are given, about which
  // they vary, also "mae" and "r2".
  std::unique_ptr<SplitMetrics> ErrorMetrics(const std::vector<double>& means) const;

 private:
  class Errors;

  const std::vector<std::string> columns_;
  const c10::Device device_;
};

}  // namespace skytrain::training
