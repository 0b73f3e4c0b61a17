#include "client/render/report.h"

#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/render/format.h"
#include "client/render/table.h"

namespace skytrain::client {
namespace {

constexpr int kLongestTitle = 14;

}  // namespace

std::string ConfusionTable(const v1::EvaluationReport& report, int width) {
  const int classes = report.classes_size();
  if (classes == 0 || report.confusion_matrix_size() != classes * classes) return "";
  std::vector<Table::Column> columns = {{"label \\ prediction"}};
  for (const std::string& name : report.classes()) {
    columns.push_back({Ellipsize(Printable(name), kLongestTitle), Table::Align::kRight});
  }
  columns.push_back({"recall", Table::Align::kRight});
  Table table(std::move(columns));
  for (int row = 0; row < classes; ++row) {
    std::vector<std::string> cells = {Printable(report.classes(row))};
    for (int column = 0; column < classes; ++column) {
      cells.push_back(FormatCount(report.confusion_matrix(row * classes + column)));
    }
    const double recall = row < report.recall_size() ? report.recall(row) : std::nan("");
    cells.push_back(std::isnan(recall) ? "–" : absl::StrFormat("%.3f", recall));
    table.AddRow(std::move(cells));
  }
  return table.Render(width);
}

std::string ReportLine(const v1::EvaluationReport& report) {
  return absl::StrFormat("%s accuracy %.3f  balanced %.3f  loss %.3f  (%s)", report.split(),
                         report.accuracy(), report.balanced_accuracy(), report.loss(),
                         Plural(report.count(), "sample"));
}

}  // namespace skytrain::client
