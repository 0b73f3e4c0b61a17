#include "server/data/text_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/data/container.h"
#include "server/data/csv.h"
#include "server/data/data_errors.h"
#include "server/data/parquet/parquet.h"

namespace skytrain::data {

std::string TextTable::Where(size_t row, size_t column) const {
  Added source{0, path, line_word};
  for (const Added& more : added) {
    if (row >= more.first_row) source = more;
  }
  return absl::StrCat(Quotable(source.path),
                      *source.line_word == '\0' ? ":" : absl::StrCat(", ", source.line_word, " "),
                      lines[row], ": column \"", Quotable(header[column]), "\"");
}

std::string TextTable::LineOf(size_t row) const {
  return absl::StrCat(*line_word == '\0' ? "line" : line_word, " ", lines[row]);
}

absl::StatusOr<size_t> TextTable::Column(absl::string_view name, absl::string_view what) const {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found != header.end()) return static_cast<size_t>(found - header.begin());
  const std::string nearest = NearestName(name, header);
  return DataInvalid(absl::StrCat(
      what, ": ", Quotable(path), " has no column \"", Quotable(name), "\"",
      nearest.empty() ? "" : absl::StrCat("; did you mean \"", Quotable(nearest), "\"?"),
      " It has ", SomeOf(header, static_cast<int64_t>(header.size()), 20)));
}

absl::StatusOr<TextTable> ReadTable(const std::string& path, const std::set<std::string>& wanted) {
  ASSIGN_OR_RETURN(const FileKind kind, KindOf(path));
  if (kind != FileKind::kParquet) return ReadCsv(path);
  ASSIGN_OR_RETURN(const auto file, OpenParquet(path));
  return ReadParquetTable(*file, path, wanted);
}

}  // namespace skytrain::data
