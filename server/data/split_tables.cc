#include "server/data/split_tables.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

// Adds rows of `more` to `table`, column by column.
absl::Status AddRows(const std::string& split, const TextTable& more,
                     const std::vector<size_t>& rows, const std::set<std::string>& wanted,
                     TextTable& table) {
  for (size_t c = 0; c < table.header.size(); ++c) {
    if (table.columns[c].size() != table.rows()) continue;  // Not read.
    if (!wanted.empty() && wanted.count(table.header[c]) == 0) {
      table.columns[c].resize(table.rows() + rows.size());  // Nobody looks at it.
      continue;
    }
    const auto column = more.Column(table.header[c], split);
    if (!column.ok()) {
      return DataInvalid(absl::StrCat(column.status().message(), "; ", rows.size(),
                                      " of its ids are not in ", Quotable(table.path)));
    }
    for (const size_t row : rows) table.columns[c].push_back(more.cell(row, *column));
  }
  table.added.push_back({table.rows(), more.path, more.line_word});
  for (const size_t row : rows) table.lines.push_back(more.lines[row]);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::flat_hash_map<std::string, std::string>> AddSplitTables(
    const std::vector<std::pair<std::string, std::string>>& tables, const std::string& id,
    const std::set<std::string>& wanted, TextTable& table) {
  absl::flat_hash_map<std::string, std::string> splits;
  if (tables.empty()) return splits;
  ASSIGN_OR_RETURN(const size_t id_column, table.Column(id, "data.files.id"));
  const absl::flat_hash_set<std::string> known(table.columns[id_column].begin(),
                                               table.columns[id_column].end());
  for (const auto& [split, path] : tables) {
    ASSIGN_OR_RETURN(const TextTable more, ReadTable(path, wanted));
    ASSIGN_OR_RETURN(const size_t column, more.Column(id, split));
    std::vector<size_t> added;
    for (size_t r = 0; r < more.rows(); ++r) {
      const std::string& sample = more.cell(r, column);
      if (sample.empty()) return DataInvalid(absl::StrCat(more.Where(r, column), " is empty"));
      const auto [other, is_new] = splits.emplace(sample, split);
      if (!is_new) {
        return DataInvalid(absl::StrCat(
            more.Where(r, column), ": \"", Quotable(sample), "\" is ",
            other->second == split
                ? "there twice"
                : absl::StrCat("already in ", other->second, "; splits must not share samples")));
      }
      if (!known.contains(sample)) added.push_back(r);
    }
    if (!added.empty()) RETURN_IF_ERROR(AddRows(split, more, added, wanted, table));
  }
  return splits;
}

}  // namespace skytrain::data
