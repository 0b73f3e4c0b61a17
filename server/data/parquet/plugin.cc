// libskytrain_parquet.so: Parquet by Arrow C++.
#include "server/data/parquet/plugin.h"

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/io/file.h>
#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <charconv>
#include <cmath>
#include <exception>
#include <utility>

namespace skytrain::data {
namespace {

// One row group is read at once. What its header claims is checked before memory is taken.
constexpr int64_t kLargestGroup = int64_t{4} << 30;

// The error that `work` ends with, by a status or by an exception; empty: none.
template <typename Work>
std::string Guarded(const Work& work) {
  try {
    const arrow::Status status = work();
    return status.ok() ? "" : status.message();
  } catch (const std::exception& e) {
    return e.what();
  }
}

using Cells = std::vector<std::string>;

bool IsText(const arrow::DataType& type) {
  return type.id() == arrow::Type::STRING || type.id() == arrow::Type::LARGE_STRING;
}
bool IsBytes(const arrow::DataType& type) {
  return type.id() == arrow::Type::BINARY || type.id() == arrow::Type::LARGE_BINARY;
}

ParquetColumn::Kind KindOf(const arrow::DataType& type) {
  if (IsBytes(type)) return ParquetColumn::Kind::kImages;
  if (type.id() == arrow::Type::STRUCT) {
    for (const auto& field : type.fields()) {
      if (field->name() == "bytes" && IsBytes(*field->type())) return ParquetColumn::Kind::kImages;
    }
    return ParquetColumn::Kind::kOther;
  }
  if (type.id() == arrow::Type::DICTIONARY) {
    return KindOf(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  const bool cells = IsText(type) || arrow::is_primitive(type.id()) || arrow::is_decimal(type.id());
  return cells ? ParquetColumn::Kind::kCells : ParquetColumn::Kind::kOther;
}

template <typename Number>
std::string Digits(Number value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

template <typename Array>
void AppendNumbers(const arrow::Array& array, Cells& cells) {
  const auto& numbers = static_cast<const Array&>(array);
  for (int64_t i = 0; i < array.length(); ++i) {
    cells.push_back(array.IsNull(i) ? "" : Digits(numbers.Value(i)));
  }
}

template <typename Array>
void AppendTexts(const arrow::Array& array, Cells& cells) {
  const auto& texts = static_cast<const Array&>(array);
  for (int64_t i = 0; i < array.length(); ++i) {
    cells.emplace_back(array.IsNull(i) ? std::string_view() : texts.GetView(i));
  }
}

arrow::Status AppendCells(const arrow::Array& array, Cells& cells);

arrow::Status AppendDictionary(const arrow::DictionaryArray& array, Cells& cells) {
  Cells values;
  ARROW_RETURN_NOT_OK(AppendCells(*array.dictionary(), values));
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsNull(i)) {
      cells.emplace_back();
      continue;
    }
    const int64_t value = array.GetValueIndex(i);
    if (value < 0 || value >= static_cast<int64_t>(values.size())) {
      return arrow::Status::Invalid("a dictionary lacks one of its values");
    }
    cells.push_back(values[value]);
  }
  return arrow::Status::OK();
}

arrow::Status AppendCells(const arrow::Array& array, Cells& cells) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
      AppendTexts<arrow::StringArray>(array, cells);
      break;
    case arrow::Type::LARGE_STRING:
      AppendTexts<arrow::LargeStringArray>(array, cells);
      break;
    case arrow::Type::INT8:
      AppendNumbers<arrow::Int8Array>(array, cells);
      break;
    case arrow::Type::UINT8:
      AppendNumbers<arrow::UInt8Array>(array, cells);
      break;
    case arrow::Type::INT16:
      AppendNumbers<arrow::Int16Array>(array, cells);
      break;
    case arrow::Type::UINT16:
      AppendNumbers<arrow::UInt16Array>(array, cells);
      break;
    case arrow::Type::INT32:
      AppendNumbers<arrow::Int32Array>(array, cells);
      break;
    case arrow::Type::UINT32:
      AppendNumbers<arrow::UInt32Array>(array, cells);
      break;
    case arrow::Type::INT64:
      AppendNumbers<arrow::Int64Array>(array, cells);
      break;
    case arrow::Type::UINT64:
      AppendNumbers<arrow::UInt64Array>(array, cells);
      break;
    case arrow::Type::FLOAT:
      AppendNumbers<arrow::FloatArray>(array, cells);
      break;
    case arrow::Type::DOUBLE:
      AppendNumbers<arrow::DoubleArray>(array, cells);
      break;
    case arrow::Type::DICTIONARY:
      return AppendDictionary(static_cast<const arrow::DictionaryArray&>(array), cells);
    case arrow::Type::BOOL: {
      const auto& flags = static_cast<const arrow::BooleanArray&>(array);
      for (int64_t i = 0; i < array.length(); ++i) {
        cells.push_back(array.IsNull(i) ? "" : flags.Value(i) ? "1" : "0");
      }
      break;
    }
    default:
      for (int64_t i = 0; i < array.length(); ++i) {
        ARROW_ASSIGN_OR_RAISE(const auto scalar, array.GetScalar(i));
        cells.push_back(scalar->is_valid ? scalar->ToString() : "");
      }
  }
  return arrow::Status::OK();
}

// The member `name` of a struct; null where there is none. A column of bytes is its own "bytes".
std::shared_ptr<arrow::Array> Member(const std::shared_ptr<arrow::Array>& array,
                                     const std::string& name) {
  if (array->type_id() != arrow::Type::STRUCT) return name == "bytes" ? array : nullptr;
  return static_cast<const arrow::StructArray&>(*array).GetFieldByName(name);
}

template <typename Array>
void AppendViews(const arrow::Array& whole, const arrow::Array& member, ParquetImages& images) {
  const auto& bytes = static_cast<const Array&>(member);
  for (int64_t i = 0; i < member.length(); ++i) {
    const bool none = whole.IsNull(i) || member.IsNull(i);
    images.bytes.push_back(none ? std::string_view() : bytes.GetView(i));
  }
}

class ArrowFile : public ParquetFile {
 public:
  arrow::Status Open(const std::string& path) {
    arrow::MemoryPool* pool = arrow::system_memory_pool();
    ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path, pool));
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(std::move(file), parquet::ReaderProperties(pool)));
    ARROW_ASSIGN_OR_RAISE(reader_, builder.memory_pool(pool)->Build());
    reader_->set_use_threads(false);
    ARROW_RETURN_NOT_OK(reader_->GetSchema(&schema_));
    for (const auto& field : schema_->fields()) {
      columns_.push_back({field->name(), field->type()->ToString(), KindOf(*field->type())});
    }
    const auto metadata = reader_->parquet_reader()->metadata();
    rows_ = metadata->num_rows();
    int64_t sum = 0;
    for (int g = 0; g < metadata->num_row_groups(); ++g) {
      const auto group = metadata->RowGroup(g);
      group_rows_.push_back(group->num_rows());
      if (group->num_rows() < 0 || group->num_rows() > rows_ - sum) {
        return arrow::Status::Invalid("its row groups do not add up to its rows");
      }
      sum += group->num_rows();
      if (group->total_byte_size() > kLargestGroup) {
        return arrow::Status::Invalid("a row group of more than 4 GiB");
      }
    }
    if (sum != rows_) return arrow::Status::Invalid("its row groups do not add up to its rows");
    const auto& notes = schema_->metadata();
    if (notes != nullptr && notes->Contains("huggingface")) {
      ARROW_ASSIGN_OR_RAISE(huggingface_, notes->Get("huggingface"));
    }
    return arrow::Status::OK();
  }

  std::string ReadCells(int column, Cells& cells) const override {
    return Guarded([&]() -> arrow::Status {
      for (int g = 0; g < static_cast<int>(group_rows_.size()); ++g) {
        ARROW_ASSIGN_OR_RAISE(const auto chunks, ReadGroup(column, g));
        for (const auto& chunk : chunks->chunks()) ARROW_RETURN_NOT_OK(AppendCells(*chunk, cells));
      }
      return arrow::Status::OK();
    });
  }

  std::string ReadPaths(int column, Cells& paths) const override {
    return Guarded([&]() -> arrow::Status {
      for (int g = 0; g < static_cast<int>(group_rows_.size()); ++g) {
        ARROW_ASSIGN_OR_RAISE(const auto chunks, ReadGroup(column, g));
        for (const auto& chunk : chunks->chunks()) {
          const auto member = Member(chunk, "path");
          if (member == nullptr || !IsText(*member->type())) {
            paths.resize(paths.size() + chunk->length());
          } else {
            ARROW_RETURN_NOT_OK(AppendCells(*member, paths));
          }
        }
      }
      return arrow::Status::OK();
    });
  }

  std::string ReadImages(int column, int group, ParquetImages& images) const override {
    return Guarded([&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto chunks, ReadGroup(column, group));
      for (const auto& chunk : chunks->chunks()) {
        const auto member = Member(chunk, "bytes");
        if (member->type_id() == arrow::Type::LARGE_BINARY) {
          AppendViews<arrow::LargeBinaryArray>(*chunk, *member, images);
        } else {
          AppendViews<arrow::BinaryArray>(*chunk, *member, images);
        }
      }
      images.holder = chunks;
      return arrow::Status::OK();
    });
  }

 private:
  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> ReadGroup(int column, int group) const {
    std::shared_ptr<arrow::ChunkedArray> chunks;
    ARROW_RETURN_NOT_OK(reader_->RowGroup(group)->Column(column)->Read(&chunks));
    for (const auto& chunk : chunks->chunks()) ARROW_RETURN_NOT_OK(chunk->ValidateFull());
    if (chunks->length() != group_rows_[group]) {
      return arrow::Status::Invalid("column \"", columns_[column].name, "\" has ", chunks->length(),
                                    " values in a row group of ", group_rows_[group], " rows");
    }
    return chunks;
  }

  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
};

class SinkStream final : public arrow::io::OutputStream {
 public:
  explicit SinkStream(ParquetSink sink) : sink_(std::move(sink)) {}

  // Takes nothing any more.
  void Abandon() { sink_ = nullptr; }

  arrow::Status Write(const void* data, int64_t bytes) override {
    if (sink_ == nullptr) return arrow::Status::Cancelled("the file is abandoned");
    const std::string error =
        sink_(std::string_view(static_cast<const char*>(data), static_cast<size_t>(bytes)));
    if (!error.empty()) return arrow::Status::IOError(error);
    written_ += bytes;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return written_; }
  bool closed() const override { return closed_; }

 private:
  ParquetSink sink_;
  int64_t written_ = 0;
  bool closed_ = false;
};

class ArrowOutput final : public ParquetOutput {
 public:
  // Arrow ends a file that nobody closed, which would pass for a whole one.
  ~ArrowOutput() override {
    if (stream_ != nullptr) stream_->Abandon();
  }

  arrow::Status Open(const std::vector<TableColumn>& columns, ParquetSink sink) {
    columns_ = columns;
    arrow::FieldVector fields;
    for (const TableColumn& column : columns) {
      fields.push_back(arrow::field(column.name, TypeOf(column)));
    }
    schema_ = arrow::schema(std::move(fields));
    const auto properties =
        parquet::WriterProperties::Builder().compression(arrow::Compression::ZSTD)->build();
    stream_ = std::make_shared<SinkStream>(std::move(sink));
    ARROW_ASSIGN_OR_RAISE(
        writer_, parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(), stream_,
                                                  properties));
    return arrow::Status::OK();
  }

  std::string WriteGroup(const std::vector<ColumnValues>& values, int64_t rows) override {
    return Guarded([&]() -> arrow::Status {
      arrow::ArrayVector arrays;
      for (size_t c = 0; c < columns_.size(); ++c) {
        ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), ArrayOf(columns_[c], values[c], rows));
      }
      return writer_->WriteTable(*arrow::Table::Make(schema_, arrays, rows), rows);
    });
  }
  std::string Close() override {
    return Guarded([&] { return writer_->Close(); });
  }

 private:
  using Kind = TableColumn::Kind;

  static std::shared_ptr<arrow::DataType> TypeOf(const TableColumn& column) {
    switch (column.kind) {
      case Kind::kText:
        return arrow::utf8();
      case Kind::kFloat:
        return arrow::float32();
      case Kind::kDouble:
        return arrow::float64();
      case Kind::kFloats:
        break;
    }
    return arrow::fixed_size_list(arrow::float32(), static_cast<int32_t>(column.width));
  }

  static arrow::Result<std::shared_ptr<arrow::Array>> ArrayOf(const TableColumn& column,
                                                              const ColumnValues& values,
                                                              int64_t rows) {
    std::shared_ptr<arrow::Array> array;
    if (column.kind == Kind::kText) {
      arrow::StringBuilder builder;
      ARROW_RETURN_NOT_OK(builder.AppendValues(values.texts));
      ARROW_RETURN_NOT_OK(builder.Finish(&array));
    } else if (column.kind == Kind::kDouble) {
      arrow::DoubleBuilder builder;
      for (const double value : values.doubles) {
        ARROW_RETURN_NOT_OK(std::isnan(value) ? builder.AppendNull() : builder.Append(value));
      }
      ARROW_RETURN_NOT_OK(builder.Finish(&array));
    } else {
      arrow::FloatBuilder builder;
      ARROW_RETURN_NOT_OK(builder.AppendValues(values.floats));
      ARROW_RETURN_NOT_OK(builder.Finish(&array));
      if (column.kind == Kind::kFloats) {
        ARROW_ASSIGN_OR_RAISE(array, arrow::FixedSizeListArray::FromArrays(
                                         array, static_cast<int32_t>(column.width)));
      }
    }
    if (array->length() != rows) {
      return arrow::Status::Invalid("column \"", column.name, "\" has ", array->length(),
                                    " values, not ", rows);
    }
    return array;
  }

  std::vector<TableColumn> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<SinkStream> stream_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) ParquetFile* skytrain_open_parquet(
    const char* path, std::string* error) {
  try {
    auto file = std::make_unique<ArrowFile>();
    const arrow::Status status = file->Open(path);
    if (status.ok()) return file.release();
    *error = status.message();
  } catch (const std::exception& e) {
    *error = e.what();
  }
  return nullptr;
}

extern "C" __attribute__((visibility("default"))) ParquetOutput* skytrain_create_parquet(
    const std::vector<TableColumn>& columns, ParquetSink sink, std::string* error) {
  auto output = std::make_unique<ArrowOutput>();
  *error = Guarded([&] { return output->Open(columns, std::move(sink)); });
  return error->empty() ? output.release() : nullptr;
}

}  // namespace skytrain::data
