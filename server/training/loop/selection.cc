#include "server/training/loop/selection.h"

#include <cmath>
#include <limits>

namespace skytrain::training {

double SelectedValue(const std::string& metric, const v1::EvaluationReport& report) {
  const std::string name = metric.substr(metric.find('/') + 1);
  if (name == "loss") return report.loss();
  if (report.classes_size() > 0 && name == "accuracy") return report.accuracy();
  if (report.classes_size() > 0 && name == "balanced_accuracy") return report.balanced_accuracy();
  for (const auto& measure : report.measures()) {
    if (measure.name() == name) return measure.value();
  }
  return std::numeric_limits<double>::quiet_NaN();
}

bool IsBetter(const spec::TrainingPlan& plan, const BestSoFar& best,
              const v1::EvaluationReport& report) {
  const double value = SelectedValue(plan.select_metric, report);
  const double ahead = plan.select_max ? value - best.value : best.value - value;
  const bool first = std::isnan(best.value) && !std::isnan(value);
  return first || ahead > 0.0 || (ahead == 0.0 && report.loss() < best.validation.loss());
}

void UpdateGain(const spec::TrainingPlan& plan, const v1::EvaluationReport& report, int epoch,
                TrainingState& state) {
  const double value = SelectedValue(plan.select_metric, report);
  if (state.gain) {
    const double ahead = plan.select_max ? value - state.gain->value : state.gain->value - value;
    if (!(ahead > plan.early_stop.min_delta)) return;
  } else if (std::isnan(value)) {
    return;
  }
  state.gain = LastGain{epoch, value};
}

bool OutOfPatience(const spec::TrainingPlan& plan, const TrainingState& state) {
  const int patience = plan.early_stop.patience;
  const int since = state.epoch - (state.gain ? state.gain->epoch : 0);
  return patience > 0 && since >= patience;
}

}  // namespace skytrain::training
