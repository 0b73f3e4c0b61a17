#include "server/data/table_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "nlohmann/json.hpp"
#include "server/data/parquet/parquet.h"

namespace skytrain::data {
namespace {

using Kind = TableColumn::Kind;
using Sink = std::function<absl::Status(absl::string_view)>;

// Rows of the first column. A list has at least one value.
size_t RowsOf(const TableColumn& column, const ColumnValues& values) {
  switch (column.kind) {
    case Kind::kText:
      return values.texts.size();
    case Kind::kDouble:
      return values.doubles.size();
    case Kind::kFloat:
    case Kind::kFloats:
      break;
  }
  return values.floats.size() / column.width;
}

// As it is where it is UTF-8; else each byte that is of no character becomes "\xe9", its value in
// two hexadecimal digits, so that texts that differ still do.
std::string AsUtf8(const std::string& text) {
  constexpr size_t kLongest = 4;
  if (IsValidUtf8(text)) return text;
  std::string valid;
  for (size_t at = 0; at < text.size();) {
    size_t length = 1;
    while (length <= kLongest && !IsValidUtf8(absl::string_view(text).substr(at, length))) ++length;
    if (length > kLongest) {
      absl::StrAppendFormat(&valid, "\\x%02x", static_cast<unsigned char>(text[at++]));
    } else {
      valid.append(text, at, length);
      at += length;
    }
  }
  return valid;
}

// As in RFC 4180.
std::string Cell(absl::string_view text) {
  if (text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// The fewest digits that give `value` again.
std::string Shortest(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

class CsvWriter final : public TableWriter {
 public:
  CsvWriter(std::vector<TableColumn> columns, Sink sink)
      : columns_(std::move(columns)), sink_(std::move(sink)) {
    for (const TableColumn& column : columns_) {
      if (column.kind != Kind::kFloats) {
        Separate();
        text_ += Cell(column.name);
        continue;
      }
      for (int64_t i = 0; i < column.width; ++i) {
        Separate();
        text_ += Cell(absl::StrCat(column.name, "/", i));
      }
    }
    text_ += "\n";
  }

  absl::Status Add(std::vector<ColumnValues> values) override {
    const size_t rows = RowsOf(columns_.front(), values.front());
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns_.size(); ++c) AddCell(columns_[c], values[c], r);
      text_ += "\n";
    }
    return Flush();
  }
  absl::Status Finish() override { return Flush(); }

 private:
  void Separate() {
    if (!text_.empty() && text_.back() != '\n') text_ += ",";
  }
  void AddCell(const TableColumn& column, const ColumnValues& values, size_t row) {
    if (&column != &columns_.front()) text_ += ",";
    switch (column.kind) {
      case Kind::kText:
        text_ += Cell(values.texts[row]);
        break;
      case Kind::kDouble:
        if (!std::isnan(values.doubles[row])) text_ += Shortest(values.doubles[row]);
        break;
      case Kind::kFloat:
      case Kind::kFloats:
        for (int64_t i = 0; i < column.width; ++i) {
          absl::StrAppendFormat(&text_, i == 0 ? "%.7g" : ",%.7g",
                                values.floats[row * column.width + i]);
        }
    }
  }
  absl::Status Flush() {
    const std::string text = std::exchange(text_, {});
    return text.empty() ? absl::OkStatus() : sink_(text);
  }

  const std::vector<TableColumn> columns_;
  const Sink sink_;
  std::string text_;
};

class JsonLinesWriter final : public TableWriter {
 public:
  JsonLinesWriter(std::vector<TableColumn> columns, Sink sink)
      : columns_(std::move(columns)), sink_(std::move(sink)) {
    for (const TableColumn& column : columns_) keys_.push_back(Quoted(column.name));
  }

  absl::Status Add(std::vector<ColumnValues> values) override {
    const size_t rows = RowsOf(columns_.front(), values.front());
    std::string text;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns_.size(); ++c) {
        absl::StrAppend(&text, c == 0 ? "{" : ",", keys_[c], ":",
                        ValueOf(columns_[c], values[c], r));
      }
      text += "}\n";
    }
    return text.empty() ? absl::OkStatus() : sink_(text);
  }
  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  static std::string Quoted(const std::string& text) { return nlohmann::json(AsUtf8(text)).dump(); }
  static std::string ValueOf(const TableColumn& column, const ColumnValues& values, size_t row) {
    if (column.kind == Kind::kText) return Quoted(values.texts[row]);
    if (column.kind == Kind::kDouble) {
      const double value = values.doubles[row];
      return std::isfinite(value) ? nlohmann::json(value).dump() : "null";
    }
    const float value = values.floats[row];
    return std::isfinite(value) ? absl::StrFormat("%.7g", value) : "null";
  }

  const std::vector<TableColumn> columns_;
  const Sink sink_;
  std::vector<std::string> keys_;
};

// Collects rows to groups: readers want thousands at a time.
class ParquetWriter final : public TableWriter {
 public:
  ParquetWriter(std::vector<TableColumn> columns, std::unique_ptr<ParquetOutput> output,
                std::shared_ptr<absl::Status> sink_status)
      : columns_(std::move(columns)),
        output_(std::move(output)),
        sink_status_(std::move(sink_status)),
        group_(columns_.size()) {
    int64_t width = 0;
    for (const TableColumn& column : columns_) width += column.width;
    most_rows_ = std::max<int64_t>(kMostValues / width, 1);
  }

  absl::Status Add(std::vector<ColumnValues> values) override {
    rows_ += static_cast<int64_t>(RowsOf(columns_.front(), values.front()));
    for (size_t c = 0; c < columns_.size(); ++c) {
      for (std::string& text : values[c].texts) text = AsUtf8(text);
      Move(values[c].texts, group_[c].texts);
      Move(values[c].floats, group_[c].floats);
      Move(values[c].doubles, group_[c].doubles);
    }
    return rows_ >= most_rows_ ? WriteGroup() : absl::OkStatus();
  }

  absl::Status Finish() override {
    if (rows_ > 0) RETURN_IF_ERROR(WriteGroup());
    return StatusOf(output_->Close());
  }

 private:
  static constexpr int64_t kMostValues = 4 << 20;

  template <typename T>
  static void Move(std::vector<T>& from, std::vector<T>& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  }
  absl::Status WriteGroup() {
    const std::string error = output_->WriteGroup(group_, rows_);
    group_.assign(columns_.size(), {});
    rows_ = 0;
    return StatusOf(error);
  }
  absl::Status StatusOf(const std::string& error) const {
    if (!sink_status_->ok()) return *sink_status_;
    return error.empty() ? absl::OkStatus()
                         : absl::InternalError(absl::StrCat("Parquet was not written: ", error));
  }

  const std::vector<TableColumn> columns_;
  const std::unique_ptr<ParquetOutput> output_;
  const std::shared_ptr<absl::Status> sink_status_;  // What the sink failed with last.
  std::vector<ColumnValues> group_;
  int64_t rows_ = 0, most_rows_ = 0;
};

}  // namespace

const char* SuffixOf(TableFormat format) {
  switch (format) {
    case TableFormat::kCsv:
      return "csv";
    case TableFormat::kJsonLines:
      return "jsonl";
    case TableFormat::kParquet:
      break;
  }
  return "parquet";
}

absl::StatusOr<std::unique_ptr<TableWriter>> MakeTableWriter(TableFormat format,
                                                             std::vector<TableColumn> columns,
                                                             Sink sink) {
  switch (format) {
    case TableFormat::kCsv:
      return std::make_unique<CsvWriter>(std::move(columns), std::move(sink));
    case TableFormat::kJsonLines:
      return std::make_unique<JsonLinesWriter>(std::move(columns), std::move(sink));
    case TableFormat::kParquet:
      break;
  }
  for (TableColumn& column : columns) column.name = AsUtf8(column.name);
  auto status = std::make_shared<absl::Status>();
  const auto take = [sink = std::move(sink), status](std::string_view bytes) -> std::string {
    if (status->ok()) *status = sink(absl::string_view(bytes.data(), bytes.size()));
    return std::string(status->message());
  };
  ASSIGN_OR_RETURN(std::unique_ptr<ParquetOutput> output, CreateParquet(columns, take));
  return std::make_unique<ParquetWriter>(std::move(columns), std::move(output), std::move(status));
}

}  // namespace skytrain::data
