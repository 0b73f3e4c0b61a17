#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/data/text_table.h"

namespace skytrain::data {

// Comma-separated values as in RFC 4180, with a header line: quoted cells, CRLF or LF, a byte order
// mark, blank lines skipped. UTF-8. DATA_INVALID naming file:line for rows of another length than
// the header, quotes that do not close, repeated column names, and anything beyond the limits (2
// GiB, 65,536 columns, 1 MiB a cell, 100 million cells).
absl::StatusOr<TextTable> ReadCsv(const std::string& path);

// The same from memory; `path` is for messages. Tests give less than the 4 GB of `most_cells`.
absl::StatusOr<TextTable> ParseCsv(absl::string_view text, const std::string& path,
                                   size_t most_cells = kMostCells);

}  // namespace skytrain::data
