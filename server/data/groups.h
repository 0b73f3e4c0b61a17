#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/data/text_table.h"

namespace skytrain::data {

// "sky_cell(0.5)" in place of a column: the degrees, or nothing when `group` is no such thing.
// DATA_INVALID where they are not from 0.001 to 90.
absl::StatusOr<std::optional<double>> SkyCellIn(absl::string_view group);

// The cell of the sky that a position in degrees lies in: bands of declination of about `degrees`,
// each cut into equal parts about as wide. Right ascension goes round. Never the same number for
// two cells of one size.
int64_t SkyCellOf(double ra, double dec, double degrees);

// Numbers the groups of data.splits.group over the tables of one set: by the cells of a column, or
// by the cells of the sky that the positions lie in.
class GroupNumbers {
 public:
  // `group`: as in data.splits; empty: nobody asks for groups.
  explicit GroupNumbers(std::string group) : group_(std::move(group)) {}
  bool asked() const { return !group_.empty(); }

  // The table of the rows to come, which outlives them. DATA_INVALID naming the table, the column
  // and those that there are.
  absl::Status Use(const TextTable& table);
  // The same number wherever the cells are the same, whatever the table. DATA_INVALID naming the
  // row of an empty cell, or without a position.
  absl::StatusOr<int32_t> Of(size_t row);
  // Numbers all rows of the table, in their order: the groups are then the same whichever of the
  // rows are asked for.
  void NumberAll();

 private:
  absl::StatusOr<std::string> NameOf(size_t row) const;

  const std::string group_;
  const TextTable* table_ = nullptr;
  std::optional<size_t> column_;  // Of the table; nullopt: by positions.
  std::pair<size_t, size_t> position_;
  double degrees_ = 0;
  absl::flat_hash_map<std::string, int32_t> numbers_;
};

}  // namespace skytrain::data
