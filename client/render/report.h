#pragma once

#include <string>

#include "skytrain/v1/event.pb.h"

namespace skytrain::client {

// The confusion matrix, one row for each label, one column for each prediction, with each class's
// recall and, where the report has them, precision, F1 and ROC AUC; empty when there is none.
std::string ConfusionTable(const v1::EvaluationReport& report, int width);

// "test accuracy 0.887  balanced 0.792".
std::string ReportLine(const v1::EvaluationReport& report);

}  // namespace skytrain::client
