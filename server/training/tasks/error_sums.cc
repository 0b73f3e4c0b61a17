#include "server/training/tasks/error_sums.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"

namespace skytrain::training {
namespace {

double MeanOf(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

at::Tensor Zeros(size_t columns, const c10::Device& device) {
  return at::zeros({static_cast<int64_t>(columns)}, at::TensorOptions(device).dtype(at::kDouble));
}

}  // namespace

void AddMeasure(v1::EvaluationReport& report, const std::string& name, double value) {
  v1::EvaluationReport::Measure& measure = *report.add_measures();
  measure.set_name(name);
  measure.set_value(value);
}

ErrorSums::ErrorSums(std::vector<std::string> columns, const std::vector<double>& shift,
                     const c10::Device& device)
    : columns_(std::move(columns)),
      shift_(shift.empty() ? Zeros(columns_.size(), device)
                           : at::tensor(at::ArrayRef<double>(shift)).to(device)),
      squares_(Zeros(columns_.size(), device)),
      absolutes_(Zeros(columns_.size(), device)),
      truths_(Zeros(columns_.size(), device)),
      truth_squares_(Zeros(columns_.size(), device)) {}

void ErrorSums::Add(const at::Tensor& predicted, const at::Tensor& truth) {
  const at::NoGradGuard no_grad;
  const at::Tensor exact = truth.to(at::kDouble);
  const at::Tensor error = predicted.to(at::kDouble) - exact;
  const at::Tensor shifted = exact - shift_;
  count_ += truth.size(0);
  squares_ += (error * error).sum(0);
  absolutes_ += error.abs().sum(0);
  truths_ += shifted.sum(0);
  truth_squares_ += (shifted * shifted).sum(0);
}

std::vector<double> ErrorSums::Values(const at::Tensor& sums) const {
  const at::Tensor on_host = sums.cpu();
  const double* values = on_host.const_data_ptr<double>();
  return {values, values + sums.numel()};
}

void ErrorSums::AddRmse(v1::EvaluationReport& report) const {
  const std::vector<double> squares = Values(squares_ / count_);
  AddMeasure(report, "rmse", std::sqrt(MeanOf(squares)));
  for (size_t c = 0; c < columns_.size() && columns_.size() > 1; ++c) {
    AddMeasure(report, "rmse/" + columns_[c], std::sqrt(squares[c]));
  }
}

void ErrorSums::AddMaeAndR2(v1::EvaluationReport& report) const {
  const std::vector<double> absolutes = Values(absolutes_ / count_);
  const std::vector<double> variances =
      Values(truth_squares_ - truths_ * truths_ / static_cast<double>(count_));
  std::vector<double> r2 = Values(squares_);
  for (size_t c = 0; c < r2.size(); ++c) {
    r2[c] = variances[c] > 0 ? 1 - r2[c] / variances[c] : std::numeric_limits<double>::quiet_NaN();
  }
  AddMeasure(report, "mae", MeanOf(absolutes));
  AddMeasure(report, "r2", MeanOf(r2));
  for (size_t c = 0; c < columns_.size() && columns_.size() > 1; ++c) {
    AddMeasure(report, "mae/" + columns_[c], absolutes[c]);
    AddMeasure(report, "r2/" + columns_[c], r2[c]);
  }
}

}  // namespace skytrain::training
