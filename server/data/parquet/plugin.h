#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/data/table_rows.h"

namespace skytrain::data {

// What libskytrain_parquet.so gives to the program that opens it: Arrow behind a few calls. A
// library of its own, opened when the first Parquet file is: it costs a start 15 ms and 19 MB, and
// the wheel's libparquet exports OpenSSL's symbols, which must not meet those of the program.
// Only std types cross the border. Errors are texts without the file's name; empty: none.

struct ParquetColumn {
  enum class Kind {
    kCells,   // Text, numbers, booleans, dates: a cell has one text.
    kImages,  // Bytes, or a struct of "bytes" and "path", as Hugging Face writes images.
    kOther    // Lists and so on.
  };
  std::string name;
  std::string type;  // As Arrow calls it.
  Kind kind = Kind::kOther;
};

// Some rows of a column of images.
struct ParquetImages {
  std::vector<std::string_view> bytes;  // Empty where there are none.
  std::shared_ptr<const void> holder;   // Of the memory that they are in.
};

// Not thread-safe.
class ParquetFile {
 public:
  virtual ~ParquetFile() = default;

  const std::vector<ParquetColumn>& columns() const { return columns_; }
  int64_t rows() const { return rows_; }
  // Of each row group.
  const std::vector<int64_t>& group_rows() const { return group_rows_; }
  // What the Hugging Face library wrote about the columns, as JSON; empty: nothing.
  const std::string& huggingface() const { return huggingface_; }

  // All of a column kCells, as text that gives the same value again: empty for null, "1" and "0"
  // for booleans, the shortest decimals of floating point numbers.
  virtual std::string ReadCells(int column, std::vector<std::string>& cells) const = 0;
  // Of a column kImages that is a struct: its texts "path". Empty ones where there are none.
  virtual std::string ReadPaths(int column, std::vector<std::string>& paths) const = 0;
  // Row group `group` of a column kImages.
  virtual std::string ReadImages(int column, int group, ParquetImages& images) const = 0;

 protected:
  std::vector<ParquetColumn> columns_;
  std::vector<int64_t> group_rows_;
  int64_t rows_ = 0;
  std::string huggingface_;
};

// A file that is written, group of rows by group. Not thread-safe.
class ParquetOutput {
 public:
  virtual ~ParquetOutput() = default;
  // `values`: of every column, each of `rows` rows.
  virtual std::string WriteGroup(const std::vector<ColumnValues>& values, int64_t rows) = 0;
  // The file's end, without which it is none.
  virtual std::string Close() = 0;
};

// Null with `error` set for what is no Parquet file, or a damaged one.
using ParquetOpener = ParquetFile* (*)(const char* path, std::string* error);
inline constexpr char kParquetOpener[] = "skytrain_open_parquet";

// Takes the file's bytes; answers an error.
using ParquetSink = std::function<std::string(std::string_view bytes)>;
using ParquetCreator = ParquetOutput* (*)(const std::vector<TableColumn>& columns, ParquetSink sink,
                                          std::string* error);
inline constexpr char kParquetCreator[] = "skytrain_create_parquet";

}  // namespace skytrain::data
