#pragma once

#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "c10/core/Device.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// Errors of predicted numbers, column by column, summed up on the device. Not thread-safe.
class ErrorSums {
 public:
  // `shift`: near the mean of each column, so that variances keep their digits; empty: 0.
  ErrorSums(std::vector<std::string> columns, const std::vector<double>& shift,
            const c10::Device& device);

  // Both [N, columns].
  void Add(const at::Tensor& predicted, const at::Tensor& truth);

  // Appends "rmse" over all columns and "rmse/COLUMN".
  void AddRmse(v1::EvaluationReport& report) const;
  // The same for "mae", the mean absolute error, and "r2", 1 - squared error / variance: over all
  // columns the mean of theirs; NaN for one that is constant.
  void AddMaeAndR2(v1::EvaluationReport& report) const;

 private:
  std::vector<double> Values(const at::Tensor& sums) const;

  const std::vector<std::string> columns_;
  const at::Tensor shift_;
  int64_t count_ = 0;
  at::Tensor squares_, absolutes_, truths_, truth_squares_;  // float64 [columns]
};

// Appends a measure to `report`.
void AddMeasure(v1::EvaluationReport& report, const std::string& name, double value);

}  // namespace skytrain::training
