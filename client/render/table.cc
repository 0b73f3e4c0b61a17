#include "client/render/table.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "client/render/format.h"

namespace skytrain::client {
namespace {

constexpr int kNarrowest = 6;

std::string Pad(const std::string& text, int width, Table::Align align) {
  const std::string spaces(std::max(0, width - DisplayWidth(text)), ' ');
  return align == Table::Align::kLeft ? absl::StrCat(text, spaces) : absl::StrCat(spaces, text);
}

// Takes columns off the widest ones.
void Shrink(std::vector<int>& widths, int width) {
  const int gaps = 2 * (static_cast<int>(widths.size()) - 1);
  while (std::accumulate(widths.begin(), widths.end(), gaps) > width) {
    auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kNarrowest) return;
    --*widest;
  }
}

}  // namespace

std::string Table::Render(int width) const {
  std::vector<int> widths;
  for (const Column& column : columns_) widths.push_back(DisplayWidth(column.title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i]));
    }
  }
  if (width > 0) Shrink(widths, width);

  std::string text;
  const auto add = [&](const auto& cell_of) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      absl::StrAppend(&line, i == 0 ? "" : "  ",
                      Pad(Ellipsize(cell_of(i), widths[i]), widths[i], columns_[i].align));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  };
  add([&](size_t i) { return columns_[i].title; });
  for (const auto& row : rows_) add([&](size_t i) { return row[i]; });
  return text;
}

}  // namespace skytrain::client
