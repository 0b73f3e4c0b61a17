#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain::data {

// A table, all cells as text, since ids of 18 digits and class names must stay what they are. Each
// format of tables fills one.
struct TextTable {
  std::string path;                               // For messages.
  std::vector<std::string> header;                // Blanks at both ends removed.
  std::vector<std::vector<std::string>> columns;  // [header's size][rows, or 0]
  std::vector<int64_t> lines;                     // Where each row begins, from 1.
  const char* line_word = "";                     // What `lines` counts; empty: lines of text.
  // Rows that come from another file: from `first_row` on, up to the next one's.
  struct Added {
    size_t first_row;
    std::string path;
    const char* line_word;
  };
  std::vector<Added> added;

  size_t rows() const { return lines.size(); }
  const std::string& cell(size_t row, size_t column) const { return columns[column][row]; }
  // "file:line: column "name"".
  std::string Where(size_t row, size_t column) const;
  // "line 12".
  std::string LineOf(size_t row) const;
  // The column's number, or DATA_INVALID with the nearest name. `what` says which setting named it.
  absl::StatusOr<size_t> Column(absl::string_view name, absl::string_view what) const;
};

inline constexpr size_t kMostCells = 100'000'000;  // Of 32 bytes each.
inline constexpr size_t kMostColumns = 65536;

// A CSV or Parquet file, recognised by what it is. `wanted`: the columns whose cells will be looked
// at; empty: all. Others need have none.
absl::StatusOr<TextTable> ReadTable(const std::string& path,
                                    const std::set<std::string>& wanted = {});

}  // namespace skytrain::data
