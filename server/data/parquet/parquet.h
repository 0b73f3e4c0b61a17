#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/data/parquet/plugin.h"
#include "server/data/text_table.h"

namespace skytrain::data {

// `resolved`: from ResolvePath. DATA_INVALID naming the file, also where libskytrain_parquet.so is
// not installed beside the program.
absl::StatusOr<std::unique_ptr<ParquetFile>> OpenParquet(const std::string& resolved);

// A file of `columns` whose bytes go to `sink`. DATA_INVALID where libskytrain_parquet.so is not
// installed beside the program.
absl::StatusOr<std::unique_ptr<ParquetOutput>> CreateParquet(
    const std::vector<TableColumn>& columns, ParquetSink sink);

// The columns that hold cells. Where Hugging Face's notes name the classes of a column of whole
// numbers, those names are its cells; -1 is none. `wanted`: columns whose cells are read; empty:
// all. The others have none.
absl::StatusOr<TextTable> ReadParquetTable(const ParquetFile& file, const std::string& path,
                                           const std::set<std::string>& wanted);

// The number of the column of images, the first; -1: none.
int ImageColumnOf(const ParquetFile& file);

}  // namespace skytrain::data
