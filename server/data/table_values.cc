#include "server/data/table_values.h"

#include <cmath>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

// "0 or greater", "between 0 and 1".
std::string RangeText(const spec::TargetColumns& targets) {
  if (std::isinf(targets.highest)) return absl::StrCat(targets.lowest, " or greater");
  return absl::StrCat("between ", targets.lowest, " and ", targets.highest);
}

}  // namespace

absl::StatusOr<float> NumberIn(const TextTable& table, size_t row, size_t column) {
  const absl::string_view cell = absl::StripAsciiWhitespace(table.cell(row, column));
  double value;
  if (cell.empty()) return DataInvalid(absl::StrCat(table.Where(row, column), " is empty"));
  if (!absl::SimpleAtod(cell, &value)) {
    return DataInvalid(
        absl::StrCat(table.Where(row, column), " must be a number, not \"", Quotable(cell), "\""));
  }
  const auto narrow = static_cast<float>(value);
  if (!std::isfinite(narrow)) {
    return DataInvalid(absl::StrCat(table.Where(row, column),
                                    " is not finite as a 32-bit number: ", Quotable(cell)));
  }
  return narrow;
}

absl::StatusOr<std::vector<size_t>> FindValueColumns(const TextTable& table,
                                                     const spec::TargetColumns& targets) {
  std::vector<size_t> columns;
  std::set<size_t> seen;
  for (const std::string& name : targets.values) {
    ASSIGN_OR_RETURN(const size_t column, table.Column(name, targets.field));
    if (!seen.insert(column).second) {
      return DataInvalid(
          absl::StrCat(targets.field, ": names the column \"", Quotable(name), "\" twice"));
    }
    columns.push_back(column);
  }
  return columns;
}

absl::StatusOr<float> TargetIn(const TextTable& table, size_t row, size_t column,
                               const spec::TargetColumns& targets) {
  if (targets.empty_is_zero && absl::StripAsciiWhitespace(table.cell(row, column)).empty()) {
    return 0.0F;
  }
  ASSIGN_OR_RETURN(const float value, NumberIn(table, row, column));
  if (value < targets.lowest || value > targets.highest) {
    return DataInvalid(absl::StrCat(table.Where(row, column), " must be ", RangeText(targets),
                                    ", not ", Quotable(table.cell(row, column))));
  }
  return value;
}

absl::StatusOr<float> WeightIn(const TextTable& table, size_t row, size_t column) {
  ASSIGN_OR_RETURN(const float weight, NumberIn(table, row, column));
  if (weight < 0) {
    return DataInvalid(absl::StrCat(table.Where(row, column), " must be 0 or greater, not ",
                                    Quotable(table.cell(row, column))));
  }
  return weight;
}

}  // namespace skytrain::data
