#include "server/data/table.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/groups.h"
#include "server/data/positions.h"
#include "server/data/sample_index.h"
#include "server/data/table_values.h"
#include "server/data/text_table.h"
#include "server/spec/class_plan.h"

namespace skytrain::data {
namespace {

constexpr size_t kMostClasses = 32768;
constexpr char kClassField[] = "task.classification.target";

bool IsNumber(const std::string& cell) {
  double unused;
  return absl::SimpleAtod(cell, &unused);
}

// The column without a single number in it, when it is the only one.
absl::StatusOr<size_t> OnlyTextColumn(const TextTable& table) {
  std::vector<size_t> text;
  for (size_t c = 0; c < table.header.size(); ++c) {
    if (std::none_of(table.columns[c].begin(), table.columns[c].end(), &IsNumber)) {
      text.push_back(c);
    }
  }
  if (text.size() == 1) return text[0];
  return DataInvalid(absl::StrCat(
      kClassField, ": say which column of ", Quotable(table.path),
      " holds the class: ", SomeOf(table.header, static_cast<int64_t>(table.header.size()), 20)));
}

// Whether each row has a text of its own: then it names them.
bool AllDiffer(const std::vector<std::string>& cells) {
  return cells.size() > 1 &&
         std::set<std::string>(cells.begin(), cells.end()).size() == cells.size();
}

// The columns `named`, else every column but those of `targets`.
absl::Status ReadFeatures(const TextTable& table, const std::vector<size_t>& targets,
                          const std::vector<std::string>& named, FeatureTable& out) {
  std::vector<size_t> features;
  for (const std::string& name : named) {
    ASSIGN_OR_RETURN(features.emplace_back(), table.Column(name, "the model's columns"));
  }
  for (size_t c = 0; c < table.header.size() && named.empty(); ++c) {
    if (std::find(targets.begin(), targets.end(), c) != targets.end()) continue;
    features.push_back(c);
  }
  for (const size_t c : features) out.columns.push_back(table.header[c]);
  if (features.empty()) {
    return DataInvalid(absl::StrCat(Quotable(table.path), " has no column besides ",
                                    out.target.empty() ? "the targets" : "the class"));
  }
  out.features.reserve(table.rows() * features.size());
  for (size_t r = 0; r < table.rows(); ++r) {
    for (const size_t c : features) {
      ASSIGN_OR_RETURN(const float value, NumberIn(table, r, c));
      out.features.push_back(value);
    }
  }
  return absl::OkStatus();
}

void NumberRows(const TextTable& table, FeatureTable& out) {
  for (size_t r = 1; r <= table.rows(); ++r) out.ids.push_back(absl::StrCat(r));
}

void ReadPositions(const TextTable& table, FeatureTable& out) {
  const auto columns = FindPositionColumns(table);
  for (size_t r = 0; r < table.rows() && columns.has_value(); ++r) {
    out.positions.push_back(DegreesIn(table, r, columns->first));
    out.positions.push_back(DegreesIn(table, r, columns->second));
  }
}

absl::Status ReadTargets(const TextTable& table, const std::vector<size_t>& columns,
                         const spec::TargetColumns& targets, FeatureTable& out) {
  for (size_t r = 0; r < table.rows(); ++r) {
    for (const size_t c : columns) {
      ASSIGN_OR_RETURN(const float value, TargetIn(table, r, c, targets));
      out.targets.push_back(value);
    }
  }
  out.labels.assign(table.rows(), 0);
  return absl::OkStatus();
}

FeatureTable Described(const TextTable& table) {
  FeatureTable out;
  out.columns = table.header;
  out.labels.assign(table.rows(), 0);
  NumberRows(table, out);
  return out;
}

absl::Status ReadClasses(const TextTable& table, size_t target, FeatureTable& out) {
  std::set<std::string> names;
  for (size_t r = 0; r < table.rows(); ++r) {
    const std::string& name = table.cell(r, target);
    if (name.empty()) return DataInvalid(absl::StrCat(table.Where(r, target), " is empty"));
    names.insert(name);
    if (names.size() > kMostClasses) {
      return DataInvalid(absl::StrCat(table.Where(r, target), ": more than ", Grouped(kMostClasses),
                                      " different values: not classes"));
    }
  }
  out.classes.assign(names.begin(), names.end());
  spec::SortClasses(out.classes);
  std::map<std::string, int32_t> numbers;
  for (size_t c = 0; c < out.classes.size(); ++c) numbers[out.classes[c]] = c;
  for (const std::string& name : table.columns[target]) out.labels.push_back(numbers[name]);
  return absl::OkStatus();
}

absl::Status ReadGroups(const TextTable& table, const std::string& group, FeatureTable& out) {
  GroupNumbers groups(group);
  if (!groups.asked()) return absl::OkStatus();
  RETURN_IF_ERROR(groups.Use(table));
  for (size_t r = 0; r < table.rows(); ++r) {
    ASSIGN_OR_RETURN(out.groups.emplace_back(), groups.Of(r));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FeatureTable> LoadFeatureTable(const std::string& path,
                                              const spec::TargetColumns& targets,
                                              const std::string& group,
                                              const std::vector<std::string>& features) {
  ASSIGN_OR_RETURN(const TextTable table, ReadTable(path));
  FeatureTable out;
  std::vector<size_t> columns;
  if (targets.unlabelled) {
    // Nothing is looked for.
  } else if (!targets.values.empty()) {
    ASSIGN_OR_RETURN(columns, FindValueColumns(table, targets));
  } else if (targets.class_column.empty()) {
    const absl::StatusOr<size_t> column = OnlyTextColumn(table);
    if (targets.undecided && (!column.ok() || AllDiffer(table.columns[*column]))) {
      return Described(table);
    }
    RETURN_IF_ERROR(column.status());
    columns = {*column};
  } else {
    ASSIGN_OR_RETURN(const size_t column, table.Column(targets.class_column, kClassField));
    columns = {column};
  }
  const bool classes = !targets.unlabelled && targets.values.empty();
  if (classes) out.target = table.header[columns[0]];
  std::vector<size_t> no_features = columns;
  RETURN_IF_ERROR(ReadGroups(table, group, out));
  for (size_t c = 0; c < table.header.size(); ++c) {
    if (table.header[c] == group) no_features.push_back(c);
  }
  RETURN_IF_ERROR(ReadFeatures(table, no_features, features, out));
  RETURN_IF_ERROR(classes ? ReadClasses(table, columns[0], out)
                          : ReadTargets(table, columns, targets, out));
  ReadPositions(table, out);
  NumberRows(table, out);
  return out;
}

absl::StatusOr<FeatureTable> DescribeTable(const std::string& path) {
  ASSIGN_OR_RETURN(const TextTable table, ReadTable(path));
  return Described(table);
}

}  // namespace skytrain::data
