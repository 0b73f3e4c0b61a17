#include "client/render/plot.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/render/format.h"

namespace skytrain::client {
namespace {

constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

struct Range {
  double low;
  double high;
};

std::optional<Range> RangeOf(const std::vector<double>& values) {
  std::optional<Range> range;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    if (!range.has_value()) range = Range{value, value};
    range->low = std::min(range->low, value);
    range->high = std::max(range->high, value);
  }
  return range;
}

std::string Short(double value) {
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e5)) return absl::StrFormat("%.1e", value);
  return absl::StrFormat("%.*f", size < 100 ? 2 : 0, value);
}

// The last value that falls into each of `width` columns; columns between two values are filled
// along the line that joins them.
std::vector<double> Resample(const std::vector<std::pair<double, double>>& points, int width) {
  const double first = points.front().first;
  const double span = points.back().first - first;
  std::vector<double> columns(width, std::nan(""));
  int previous = -1;
  for (const auto& [x, y] : points) {
    const int column =
        span > 0 ? static_cast<int>(std::lround((x - first) / span * (width - 1))) : 0;
    for (int i = previous + 1; previous >= 0 && i < column; ++i) {
      const double part = static_cast<double>(i - previous) / (column - previous);
      columns[i] = columns[previous] + part * (y - columns[previous]);
    }
    columns[column] = y;
    previous = column;
  }
  if (span <= 0) columns.resize(1);
  return columns;
}

// Rows of cells, top first.
std::vector<std::vector<std::string>> Draw(const std::vector<int>& rows, int height) {
  std::vector<std::vector<std::string>> cells(height, std::vector<std::string>(rows.size(), " "));
  for (size_t i = 0; i < rows.size(); ++i) {
    const int here = rows[i];
    const int before = i == 0 ? here : rows[i - 1];
    if (here == before) {
      cells[height - 1 - here][i] = "─";
      continue;
    }
    const bool up = here > before;
    cells[height - 1 - here][i] = up ? "╭" : "╰";
    cells[height - 1 - before][i] = up ? "╯" : "╮";
    for (int row = std::min(here, before) + 1; row < std::max(here, before); ++row) {
      cells[height - 1 - row][i] = "│";
    }
  }
  return cells;
}

std::string Axis(double first, double last, int margin, int width, const std::string& label) {
  std::string axis(margin + 1 + width, ' ');
  // Whole numbers, so no more of them than there are between the ends.
  const int whole = static_cast<int>(std::clamp(last - first, 1.0, 5.0));
  const int ticks = std::clamp(width / 12, 1, whole);
  int free_from = 0;
  for (int i = 0; i <= ticks; ++i) {
    const std::string text =
        absl::StrFormat("%.6g", std::round(first + (last - first) * i / ticks));
    const int at = margin + 1 + (width - 1) * i / ticks;
    if (at < free_from || at + text.size() > axis.size() + 6) continue;
    if (axis.size() < at + text.size()) axis.resize(at + text.size(), ' ');
    axis.replace(at, text.size(), text);
    free_from = at + static_cast<int>(text.size()) + 1;
  }
  axis.erase(axis.find_last_not_of(' ') + 1);
  return absl::StrCat(axis, "  ", label, "\n");
}

}  // namespace

std::string Sparkline(const std::vector<double>& values, int width) {
  const std::optional<Range> range = RangeOf(values);
  if (!range.has_value() || width < 1) return "";
  const size_t bars = std::min<size_t>(values.size(), width);
  std::string line;
  for (size_t i = 0; i < bars; ++i) {
    const double value =
        values[bars == 1 ? values.size() - 1 : i * (values.size() - 1) / (bars - 1)];
    if (!std::isfinite(value)) {
      line += " ";
      continue;
    }
    const double part =
        range->high > range->low ? (value - range->low) / (range->high - range->low) : 0.5;
    line += kBars[std::clamp(static_cast<int>(part * 7 + 0.5), 0, 7)];
  }
  return absl::StrCat(Short(range->low), " ", line, " ", Short(range->high));
}

std::string LinePlot(const std::vector<std::pair<double, double>>& points, int width, int height,
                     const std::string& x_label) {
  std::vector<std::pair<double, double>> finite;
  std::vector<double> values;
  for (const auto& [x, y] : points) {
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    finite.emplace_back(x, y);
    values.push_back(y);
  }
  if (finite.empty() || height < 2) return "";
  const Range range = *RangeOf(values);
  const double span = range.high - range.low;

  std::vector<std::string> scale;
  int margin = 0;
  for (int row = 0; row < height; ++row) {
    scale.push_back(Short(range.high - span * row / (height - 1)));
    margin = std::max(margin, static_cast<int>(scale.back().size()));
  }
  const int columns = std::max(8, width - margin - 3);
  std::vector<int> rows;
  for (const double value : Resample(finite, columns)) {
    rows.push_back(
        span > 0 ? static_cast<int>(std::lround((value - range.low) / span * (height - 1))) : 0);
  }
  const auto cells = Draw(rows, span > 0 ? height : 1);

  std::string text;
  for (size_t row = 0; row < cells.size(); ++row) {
    std::string line =
        absl::StrCat(std::string(margin - scale[row].size() + 1, ' '), scale[row],
                     row + 1 == cells.size() ? " ┼" : " ┤", absl::StrJoin(cells[row], ""));
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return absl::StrCat(text, Axis(finite.front().first, finite.back().first, margin + 2,
                                 static_cast<int>(rows.size()), x_label));
}

}  // namespace skytrain::client
