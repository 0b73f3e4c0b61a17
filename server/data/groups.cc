#include "server/data/groups.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/positions.h"

namespace skytrain::data {
namespace {

constexpr char kField[] = "data.splits.group";

}  // namespace

absl::StatusOr<std::optional<double>> SkyCellIn(absl::string_view group) {
  absl::string_view number = group;
  if (!absl::ConsumePrefix(&number, "sky_cell(") || !absl::ConsumeSuffix(&number, ")")) {
    return std::optional<double>();
  }
  double degrees;
  if (absl::SimpleAtod(number, &degrees) && degrees >= 0.001 && degrees <= 90) {
    return std::optional<double>(degrees);
  }
  return DataInvalid(absl::StrCat(kField, ": sky_cell takes the size of a cell, from 0.001 to 90 ",
                                  "degrees, not \"", Quotable(number), "\""));
}

int64_t SkyCellOf(double ra, double dec, double degrees) {
  const auto part = [](double of_whole, int64_t parts) {
    const auto number = static_cast<int64_t>(of_whole * static_cast<double>(parts));
    return std::clamp<int64_t>(number, 0, parts - 1);
  };
  const auto bands = static_cast<int64_t>(std::ceil(180 / degrees));
  const int64_t band = part((dec + 90) / 180, bands);
  const double middle = (static_cast<double>(band) + 0.5) / static_cast<double>(bands) - 0.5;
  const double around = 360 * std::cos(middle * std::numbers::pi) / degrees;
  const double turn = ra / 360 - std::floor(ra / 360);
  constexpr int64_t kMostParts = 360'000;  // Of a band, of the smallest cells.
  return band * kMostParts + part(turn, std::max<int64_t>(std::llround(around), 1));
}

absl::Status GroupNumbers::Use(const TextTable& table) {
  table_ = &table;
  column_.reset();
  const auto found = std::find(table.header.begin(), table.header.end(), group_);
  if (found != table.header.end()) {
    column_ = static_cast<size_t>(found - table.header.begin());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::optional<double> degrees, SkyCellIn(group_));
  if (!degrees.has_value()) return table.Column(group_, kField).status();
  const auto position = FindPositionColumns(table);
  if (!position.has_value()) {
    return DataInvalid(
        absl::StrCat(kField, ": ", Quotable(group_), " needs positions, and ", Quotable(table.path),
                     " has no columns \"ra\" and \"dec\"; it has ",
                     SomeOf(table.header, static_cast<int64_t>(table.header.size()), 20)));
  }
  degrees_ = *degrees;
  position_ = *position;
  return absl::OkStatus();
}

absl::StatusOr<std::string> GroupNumbers::NameOf(size_t row) const {
  if (column_.has_value()) {
    const std::string& name = table_->cell(row, *column_);
    if (name.empty()) return DataInvalid(absl::StrCat(table_->Where(row, *column_), " is empty"));
    return name;
  }
  const double ra = DegreesIn(*table_, row, position_.first);
  const double dec = DegreesIn(*table_, row, position_.second);
  if (std::isnan(ra) || std::isnan(dec) || std::abs(dec) > 90) {
    const size_t wrong = std::isnan(ra) ? position_.first : position_.second;
    return DataInvalid(absl::StrCat(table_->Where(row, wrong), " is no position in degrees, which ",
                                    kField, ": ", Quotable(group_), " needs"));
  }
  return absl::StrCat(SkyCellOf(ra, dec, degrees_));
}

absl::StatusOr<int32_t> GroupNumbers::Of(size_t row) {
  ASSIGN_OR_RETURN(const std::string name, NameOf(row));
  return numbers_.emplace(name, static_cast<int32_t>(numbers_.size())).first->second;
}

void GroupNumbers::NumberAll() {
  for (size_t row = 0; row < table_->rows(); ++row) (void)Of(row);
}

}  // namespace skytrain::data
