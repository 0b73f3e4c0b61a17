#include "server/data/groups.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/split_tables.h"
#include "server/data/text_table.h"

namespace skytrain::data {

absl::StatusOr<std::vector<int32_t>> GroupsOf(const std::string& table_path,
                                              const SplitTablePaths& split_tables,
                                              const std::string& id, const std::string& group,
                                              const std::vector<std::string>& ids) {
  std::set<std::string> wanted{group};
  if (!id.empty()) wanted.insert(id);
  ASSIGN_OR_RETURN(TextTable table, ReadTable(table_path, wanted));
  if (!split_tables.empty()) {
    RETURN_IF_ERROR(AddSplitTables(split_tables, id, wanted, table).status());
  }
  ASSIGN_OR_RETURN(const size_t group_column, table.Column(group, "data.splits.group"));
  size_t id_column = 0;
  if (!id.empty()) {
    ASSIGN_OR_RETURN(id_column, table.Column(id, "data.files.id"));
  }
  absl::flat_hash_map<std::string, int32_t> numbers, group_of;
  for (size_t r = 0; r < table.rows(); ++r) {
    const std::string& name = table.cell(r, group_column);
    if (name.empty()) return DataInvalid(absl::StrCat(table.Where(r, group_column), " is empty"));
    const auto number = numbers.emplace(name, static_cast<int32_t>(numbers.size())).first->second;
    group_of.emplace(id.empty() ? absl::StrCat(r + 1) : table.cell(r, id_column), number);
  }
  std::vector<int32_t> groups;
  for (const std::string& sample : ids) {
    const auto found = group_of.find(sample);
    if (found == group_of.end()) {
      return DataInvalid(absl::StrCat("data.splits.group: ", Quotable(table_path),
                                      " has no row for \"", Quotable(sample), "\""));
    }
    groups.push_back(found->second);
  }
  return groups;
}

}  // namespace skytrain::data
