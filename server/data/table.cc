#include "server/data/table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/sample_index.h"
#include "server/data/text_table.h"
#include "server/spec/class_plan.h"

namespace skytrain::data {
namespace {

constexpr size_t kMostClasses = 32768;

bool IsNumber(const std::string& cell) {
  double unused;
  return absl::SimpleAtod(cell, &unused);
}

// The column without a single number in it, when it is the only one.
absl::StatusOr<size_t> OnlyTextColumn(const TextTable& table) {
  std::vector<size_t> text;
  for (size_t c = 0; c < table.header.size(); ++c) {
    if (std::none_of(table.columns[c].begin(), table.columns[c].end(), &IsNumber)) {
      text.push_back(c);
    }
  }
  if (text.size() == 1) return text[0];
  return DataInvalid(absl::StrCat(
      "task.classification.target: say which column of ", Quotable(table.path),
      " holds the class: ", SomeOf(table.header, static_cast<int64_t>(table.header.size()), 20)));
}

absl::Status ReadFeatures(const TextTable& table, size_t target, FeatureTable& out) {
  out.features.reserve(table.rows() * (table.header.size() - 1));
  for (size_t r = 0; r < table.rows(); ++r) {
    for (size_t c = 0; c < table.header.size(); ++c) {
      if (c == target) continue;
      const absl::string_view cell = absl::StripAsciiWhitespace(table.cell(r, c));
      double value;
      if (cell.empty()) return DataInvalid(absl::StrCat(table.Where(r, c), " is empty"));
      if (!absl::SimpleAtod(cell, &value)) {
        return DataInvalid(
            absl::StrCat(table.Where(r, c), " must be a number, not \"", Quotable(cell), "\""));
      }
      const auto narrow = static_cast<float>(value);
      if (!std::isfinite(narrow)) {
        return DataInvalid(
            absl::StrCat(table.Where(r, c), " is not finite as a 32-bit number: ", Quotable(cell)));
      }
      out.features.push_back(narrow);
    }
  }
  return absl::OkStatus();
}

absl::Status ReadClasses(const TextTable& table, size_t target, FeatureTable& out) {
  std::set<std::string> names;
  for (size_t r = 0; r < table.rows(); ++r) {
    const std::string& name = table.cell(r, target);
    if (name.empty()) return DataInvalid(absl::StrCat(table.Where(r, target), " is empty"));
    names.insert(name);
    if (names.size() > kMostClasses) {
      return DataInvalid(absl::StrCat(table.Where(r, target), ": more than ", Grouped(kMostClasses),
                                      " different values: not classes"));
    }
  }
  out.classes.assign(names.begin(), names.end());
  spec::SortClasses(out.classes);
  std::map<std::string, int32_t> numbers;
  for (size_t c = 0; c < out.classes.size(); ++c) numbers[out.classes[c]] = c;
  for (const std::string& name : table.columns[target]) out.labels.push_back(numbers[name]);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FeatureTable> LoadFeatureTable(const std::string& path, const std::string& target) {
  ASSIGN_OR_RETURN(const TextTable table, ReadTable(path));
  size_t target_column;
  if (target.empty()) {
    ASSIGN_OR_RETURN(target_column, OnlyTextColumn(table));
  } else {
    ASSIGN_OR_RETURN(target_column, table.Column(target, "task.classification.target"));
  }
  FeatureTable out;
  out.target = table.header[target_column];
  for (size_t c = 0; c < table.header.size(); ++c) {
    if (c != target_column) out.columns.push_back(table.header[c]);
  }
  if (out.columns.empty()) {
    return DataInvalid(absl::StrCat(Quotable(path), " has no column besides the class"));
  }
  RETURN_IF_ERROR(ReadFeatures(table, target_column, out));
  RETURN_IF_ERROR(ReadClasses(table, target_column, out));
  for (size_t r = 1; r <= table.rows(); ++r) out.ids.push_back(absl::StrCat(r));
  return out;
}

}  // namespace skytrain::data
