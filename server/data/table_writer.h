#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/data/table_rows.h"

namespace skytrain::data {

// Text may be of any bytes, although readers refuse what is not UTF-8. CSV has them as they are.
// JSON and Parquet are UTF-8: there a byte that is of no character is written as "\xe9", its value
// in hexadecimal.
enum class TableFormat {
  kCsv,  // RFC 4180 with a header line; a list is a column for each of its values, "NAME/0", ….
  kJsonLines,  // An object a row; null for what is not finite. No lists.
  kParquet
};

// "csv", "jsonl", "parquet": what a file's name ends with.
const char* SuffixOf(TableFormat format);

// Writes a table from its first row to its last, keeping little of it. Not thread-safe.
class TableWriter {
 public:
  virtual ~TableWriter() = default;
  // `values`: of every column, in the order of the columns. The sink's errors; INTERNAL.
  virtual absl::Status Add(std::vector<ColumnValues> values) = 0;
  // After the last row. The same errors.
  virtual absl::Status Finish() = 0;
};

// `sink` takes the file's bytes in their order. INVALID_ARGUMENT (DATA_INVALID) where
// libskytrain_parquet.so is not installed.
absl::StatusOr<std::unique_ptr<TableWriter>> MakeTableWriter(
    TableFormat format, std::vector<TableColumn> columns,
    std::function<absl::Status(absl::string_view)> sink);

}  // namespace skytrain::data
