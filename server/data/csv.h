#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain::data {

// A table, all cells as text, since ids of 18 digits and class names must stay what
// they are.
struct CsvTable {
  std::string path;                            // For messages.
  std::vector<std::string> header;             // Blanks at both ends removed.
  std::vector<std::vector<std::string>> rows;  // Each as long as the header.
  std::vector<int64_t> lines;                  // The line on which each row begins, from 1.

  // "file:line:column", the column by name.
  std::string Where(size_t row, size_t column) const;
  // The column's number, or DATA_INVALID with the nearest name. `what` says which setting named it.
  absl::StatusOr<size_t> Column(absl::string_view name, absl::string_view what) const;
};

// Comma-separated values as in RFC 4180, with a header line: quoted cells, CRLF or LF, a byte order
// mark, blank lines skipped. UTF-8. DATA_INVALID naming file:line for rows of another length than
// the header, quotes that do not close, repeated column names, and anything beyond the limits (2
// GiB, 65,536 columns, 1 MiB a cell, 100 million cells).
absl::StatusOr<CsvTable> ReadCsv(const std::string& path);

inline constexpr size_t kMostCells = 100'000'000;  // Of 32 bytes each.

// The same from memory; `path` is for messages. Tests give less than the 4 GB of `most_cells`.
absl::StatusOr<CsvTable> ParseCsv(absl::string_view text, const std::string& path,
                                  size_t most_cells = kMostCells);

}  // namespace skytrain::data
