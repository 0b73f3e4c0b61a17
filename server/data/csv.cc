#include "server/data/csv.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "server/data/container.h"
#include "server/data/data_errors.h"
#include "server/data/fd.h"

namespace skytrain::data {
namespace {

constexpr uint64_t kLargestFile = uint64_t{2} << 30;
constexpr size_t kLongestCell = 1 << 20;

class Parser {
 public:
  Parser(absl::string_view text, const std::string& path) : text_(text), path_(path) {}

  bool AtEnd() const { return position_ >= text_.size(); }
  int64_t line() const { return line_; }

  // The next record; empty for a blank line.
  absl::StatusOr<std::vector<std::string>> Record(size_t expected) {
    std::vector<std::string> cells;
    cells.reserve(expected);
    const int64_t first_line = line_;
    while (true) {
      std::string cell;
      RETURN_IF_ERROR(Cell(cell));
      cells.push_back(std::move(cell));
      if (cells.size() > kMostColumns) {
        return Wrong(first_line, absl::StrCat("more than ", Grouped(kMostColumns), " columns"));
      }
      if (AtEnd() || text_[position_] != ',') break;
      ++position_;
    }
    EndOfLine();
    if (cells.size() == 1 && cells[0].empty()) cells.clear();
    return cells;
  }

  absl::Status Wrong(int64_t line, absl::string_view what) const {
    return DataInvalid(absl::StrCat(Quotable(path_), ":", line, ": ", what));
  }

 private:
  absl::Status Cell(std::string& cell) {
    if (AtEnd() || text_[position_] != '"') {
      const size_t end = std::min(text_.find_first_of(",\r\n", position_), text_.size());
      if (end - position_ > kLongestCell) return TooLong();
      cell = std::string(text_.substr(position_, end - position_));
      position_ = end;
      return CheckCell(cell);
    }
    const int64_t first_line = line_;
    ++position_;
    while (true) {
      const size_t quote = text_.find('"', position_);
      if (quote == absl::string_view::npos || quote - position_ > kLongestCell) {
        return Wrong(first_line, "a quote that does not close");
      }
      const absl::string_view part = text_.substr(position_, quote - position_);
      line_ += std::count(part.begin(), part.end(), '\n');
      absl::StrAppend(&cell, part);
      position_ = quote + 1;
      if (AtEnd() || text_[position_] != '"') break;
      cell.push_back('"');
      ++position_;
      RETURN_IF_ERROR(CheckCell(cell));
    }
    if (!AtEnd() && absl::string_view(",\r\n").find(text_[position_]) == absl::string_view::npos) {
      return Wrong(first_line, "text after a closing quote");
    }
    return CheckCell(cell);
  }

  absl::Status TooLong() const { return Wrong(line_, "a cell of more than 1 MiB"); }

  absl::Status CheckCell(const std::string& cell) const {
    if (cell.size() > kLongestCell) return TooLong();
    if (!IsValidUtf8(cell)) return Wrong(line_, "text that is not UTF-8");
    return absl::OkStatus();
  }

  void EndOfLine() {
    if (AtEnd()) return;
    if (text_[position_] == '\r') ++position_;
    if (!AtEnd() && text_[position_] == '\n') ++position_;
    ++line_;
  }

  absl::string_view text_;
  const std::string& path_;
  size_t position_ = 0;
  int64_t line_ = 1;
};

absl::Status ReadHeader(Parser& parser, TextTable& table) {
  ASSIGN_OR_RETURN(table.header, parser.Record(16));
  if (table.header.empty()) return parser.Wrong(1, "a header line with column names is missing");
  std::set<std::string> names;
  for (std::string& name : table.header) {
    absl::StripAsciiWhitespace(&name);
    if (!name.empty() && !names.insert(name).second) {
      return parser.Wrong(1, absl::StrCat("two columns are named \"", Quotable(name), "\""));
    }
  }
  table.columns.resize(table.header.size());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TextTable> ParseCsv(absl::string_view text, const std::string& path,
                                   size_t most_cells) {
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");
  TextTable table;
  table.path = path;
  Parser parser(text, table.path);
  RETURN_IF_ERROR(ReadHeader(parser, table));
  while (!parser.AtEnd()) {
    const int64_t line = parser.line();
    ASSIGN_OR_RETURN(std::vector<std::string> cells, parser.Record(table.header.size()));
    if (cells.empty()) continue;
    if (cells.size() != table.header.size()) {
      return parser.Wrong(
          line, absl::StrCat(cells.size(), " cells, the header has ", table.header.size()));
    }
    if (table.rows() >= most_cells / table.header.size()) {
      return parser.Wrong(
          line, absl::StrCat("more than ", Grouped(static_cast<int64_t>(most_cells)), " cells"));
    }
    for (size_t c = 0; c < cells.size(); ++c) table.columns[c].push_back(std::move(cells[c]));
    table.lines.push_back(line);
  }
  if (table.rows() == 0) return parser.Wrong(1, "no rows below the header");
  return table;
}

absl::StatusOr<TextTable> ReadCsv(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat st;
  if (!fd.ok() || ::fstat(fd.get(), &st) != 0) return SystemError("open", path, errno);
  if (!S_ISREG(st.st_mode)) return DataInvalid(absl::StrCat(Quotable(path), " is not a file"));
  if (static_cast<uint64_t>(st.st_size) > kLargestFile) {
    return DataInvalid(absl::StrCat(Quotable(path), " is larger than a table may be (2 GiB)"));
  }
  std::string text;
  RETURN_IF_ERROR(ReadAt(fd.get(), path, 0, static_cast<uint64_t>(st.st_size), text));
  if (text.find('\0') != std::string::npos) {
    return DataInvalid(absl::StrCat(Quotable(path), " is not a CSV table: it holds zero bytes"));
  }
  return ParseCsv(text, path);
}

}  // namespace skytrain::data
