#include "client/render/report.h"

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/render/format.h"
#include "client/render/table.h"

namespace skytrain::client {
namespace {

constexpr int kLongestTitle = 14;

std::string Share(double value) { return std::isnan(value) ? "–" : absl::StrFormat("%.3f", value); }

// The measures "NAME/CLASS" by class.
std::map<std::string, double> OfClasses(const v1::EvaluationReport& report,
                                        const std::string& name) {
  std::map<std::string, double> values;
  for (const auto& measure : report.measures()) {
    if (absl::StartsWith(measure.name(), name + "/")) {
      values[measure.name().substr(name.size() + 1)] = measure.value();
    }
  }
  return values;
}

}  // namespace

std::string ConfusionTable(const v1::EvaluationReport& report, int width) {
  const int classes = report.classes_size();
  if (classes == 0 || report.confusion_matrix_size() != classes * classes) return "";
  std::vector<Table::Column> columns = {{"label \\ prediction"}};
  for (const std::string& name : report.classes()) {
    columns.push_back({Ellipsize(Printable(name), kLongestTitle), Table::Align::kRight});
  }
  columns.push_back({"recall", Table::Align::kRight});
  std::vector<std::map<std::string, double>> more;
  for (const char* measure : {"precision", "f1", "roc_auc"}) {
    std::map<std::string, double> of_classes = OfClasses(report, measure);
    if (of_classes.empty()) continue;
    columns.push_back({measure, Table::Align::kRight});
    more.push_back(std::move(of_classes));
  }
  Table table(std::move(columns));
  for (int row = 0; row < classes; ++row) {
    std::vector<std::string> cells = {Printable(report.classes(row))};
    for (int column = 0; column < classes; ++column) {
      cells.push_back(FormatCount(report.confusion_matrix(row * classes + column)));
    }
    cells.push_back(Share(row < report.recall_size() ? report.recall(row) : std::nan("")));
    for (const auto& of_classes : more) {
      const auto found = of_classes.find(report.classes(row));
      cells.push_back(Share(found == of_classes.end() ? std::nan("") : found->second));
    }
    table.AddRow(std::move(cells));
  }
  return table.Render(width);
}

std::string ReportLine(const v1::EvaluationReport& report) {
  if (report.classes_size() == 0) {
    std::string line = report.split();
    for (const auto& measure : report.measures()) {
      // Those of single columns are in the stream and in the model's card.
      if (!absl::StrContains(measure.name(), '/')) {
        absl::StrAppendFormat(&line, " %s %.4g ", measure.name(), measure.value());
      }
    }
    return absl::StrFormat("%s loss %.4g  (%s)", line, report.loss(),
                           Plural(report.count(), "sample"));
  }
  return absl::StrFormat("%s accuracy %.3f  balanced %.3f  loss %.3f  (%s)", report.split(),
                         report.accuracy(), report.balanced_accuracy(), report.loss(),
                         Plural(report.count(), "sample"));
}

}  // namespace skytrain::client
