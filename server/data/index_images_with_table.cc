#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/groups.h"
#include "server/data/image_names.h"
#include "server/data/positions.h"
#include "server/data/sample_index.h"
#include "server/data/split_tables.h"
#include "server/data/table_values.h"
#include "server/data/text_table.h"
#include "server/spec/class_plan.h"

namespace skytrain::data {
namespace {

constexpr size_t kMostClasses = 32768;
constexpr size_t kMostSplits = 64;

struct Columns {
  size_t id = 0;
  std::optional<size_t> split, weight;
  std::vector<size_t> file;                           // Names of the images, where ids are not.
  std::optional<size_t> target;                       // With the class.
  std::vector<size_t> values;                         // With numbers, where there are no classes.
  std::optional<std::pair<size_t, size_t>> position;  // Right ascension, declination.
  bool may_have_no_target = false;                    // TargetColumns::undecided.
};

absl::Status FindTargets(const TextTable& table, const spec::TargetColumns& targets,
                         Columns& columns) {
  columns.may_have_no_target = targets.undecided;
  if (!targets.values.empty()) {
    ASSIGN_OR_RETURN(columns.values, FindValueColumns(table, targets));
  } else if (!targets.class_column.empty()) {
    ASSIGN_OR_RETURN(columns.target,
                     table.Column(targets.class_column, "task.classification.target"));
  }
  const bool names_id =
      columns.target == columns.id ||
      std::find(columns.values.begin(), columns.values.end(), columns.id) != columns.values.end();
  if (names_id) return DataInvalid(absl::StrCat(targets.field, ": names the id column"));
  return absl::OkStatus();
}

// Where the column with the class is not named.
absl::Status FindOnlyOther(const TextTable& table, const std::string& group, Columns& columns) {
  std::vector<std::string> others;
  for (size_t c = 0; c < table.header.size(); ++c) {
    if (c == columns.id || c == columns.split || c == columns.weight) continue;
    if (table.header[c] == group) continue;
    if (std::find(columns.file.begin(), columns.file.end(), c) != columns.file.end()) continue;
    if (columns.position && (c == columns.position->first || c == columns.position->second)) {
      continue;
    }
    others.push_back(table.header[c]);
    columns.target = c;
  }
  if (others.size() == 1) return absl::OkStatus();
  columns.target.reset();
  if (columns.may_have_no_target) return absl::OkStatus();
  return DataInvalid(absl::StrCat("task.classification.target: say which column of ",
                                  Quotable(table.path), " holds the class",
                                  others.empty() ? "; it has none besides ids and splits" : ": ",
                                  SomeOf(others, static_cast<int64_t>(others.size()), 20)));
}

absl::StatusOr<Columns> FindColumns(const TextTable& table, const v1::Files& files,
                                    const spec::TargetColumns& targets, const std::string& group) {
  Columns columns;
  ASSIGN_OR_RETURN(columns.id, table.Column(files.id(), "data.files.id"));
  if (!files.split().empty()) {
    ASSIGN_OR_RETURN(columns.split, table.Column(files.split(), "data.files.split"));
  }
  if (!files.weight().empty()) {
    ASSIGN_OR_RETURN(columns.weight, table.Column(files.weight(), "data.files.weight"));
  }
  for (const std::string& name : files.file()) {
    ASSIGN_OR_RETURN(columns.file.emplace_back(), table.Column(name, "data.files.file"));
  }
  columns.position = FindPositionColumns(table);
  RETURN_IF_ERROR(FindTargets(table, targets, columns));
  if (targets.unlabelled) return columns;
  if (columns.values.empty() && !columns.target) {
    RETURN_IF_ERROR(FindOnlyOther(table, group, columns));
  }
  return columns;
}

using SplitOfId = absl::flat_hash_map<std::string, std::string>;

std::string FileNameOf(const TextTable& table, const Columns& columns, size_t row) {
  std::vector<std::string> parts;
  for (const size_t column : columns.file) parts.push_back(table.cell(row, column));
  return absl::StrJoin(parts, "/");
}

class TableJoiner {
 public:
  TableJoiner(SampleIndex& index, const TextTable& table, const Columns& columns,
              const spec::TargetColumns& targets, const SplitOfId& split_of_id,
              const std::string& group)
      : index_(index),
        table_(table),
        columns_(columns),
        targets_(targets),
        split_of_id_(split_of_id),
        groups_(group),
        names_(index.containers) {}

  absl::Status Run() {
    CollectImages();
    RETURN_IF_ERROR(CollectNames());
    if (groups_.asked()) {
      RETURN_IF_ERROR(groups_.Use(table_));
      groups_.NumberAll();
    }
    // The order of the table decides nothing: ids do, as text.
    std::map<std::string, size_t> rows;
    for (size_t r = 0; r < table_.rows(); ++r) {
      const std::string& id = table_.cell(r, columns_.id);
      if (id.empty()) return DataInvalid(absl::StrCat(table_.Where(r, columns_.id), " is empty"));
      if (!rows.emplace(id, r).second) {
        AddProblem(index_.problems, "duplicate_id", absl::StrCat(id, " (", table_.LineOf(r), ")"));
      }
    }
    for (const auto& [id, row] : rows) RETURN_IF_ERROR(Join(id, row));
    std::set<std::string> unlabelled;
    for (size_t c = 0; c < index_.containers.size(); ++c) {
      const std::vector<Entry>& entries = index_.containers[c]->entries();
      for (size_t e = 0; e < entries.size(); ++e) {
        if (!labelled_[c][e]) unlabelled.insert(entries[e].path);
      }
    }
    for (const std::string& path : unlabelled) {
      AddProblem(index_.problems, "image_without_label", path);
    }
    return absl::OkStatus();
  }

 private:
  void CollectImages() {
    for (size_t c = 0; c < index_.containers.size(); ++c) {
      const auto& entries = index_.containers[c]->entries();
      labelled_.emplace_back(entries.size());
      for (size_t e = 0; e < entries.size(); ++e) {
        ++index_.images;
        if (!columns_.file.empty()) continue;
        if (!images_.emplace(StemOf(entries[e].path), ImageNames::Place{c, e}).second) {
          AddProblem(index_.problems, "duplicate_id", entries[e].path);
          labelled_[c][e] = true;  // Named already.
        }
      }
    }
  }

  absl::Status CollectNames() {
    std::set<std::string> classes, splits;
    for (size_t r = 0; r < table_.rows(); ++r) {
      if (columns_.target) {
        const std::string& name = table_.cell(r, *columns_.target);
        if (name.empty()) {
          return DataInvalid(absl::StrCat(table_.Where(r, *columns_.target), " is empty"));
        }
        classes.insert(name);
      }
      if (columns_.split) splits.insert(table_.cell(r, *columns_.split));
      if (classes.size() > kMostClasses || splits.size() > kMostSplits) {
        const bool too_many_classes = classes.size() > kMostClasses;
        return DataInvalid(absl::StrCat(
            "column \"",
            Quotable(table_.header[too_many_classes ? *columns_.target : *columns_.split]),
            "\" of ", Quotable(table_.path), " holds more than ",
            Grouped(too_many_classes ? kMostClasses : kMostSplits),
            " different values: ", too_many_classes ? "not classes" : "not splits"));
      }
    }
    splits.erase("");
    for (const auto& [unused, split] : split_of_id_) splits.insert(split);
    index_.classes.assign(classes.begin(), classes.end());
    spec::SortClasses(index_.classes);
    index_.splits.assign(splits.begin(), splits.end());
    for (size_t c = 0; c < index_.classes.size(); ++c) class_numbers_[index_.classes[c]] = c;
    for (size_t s = 0; s < index_.splits.size(); ++s) split_numbers_[index_.splits[s]] = s;
    return absl::OkStatus();
  }

  // The image that a row is about; none, or several that its file name fits.
  std::vector<ImageNames::Place> ImagesOf(const std::string& id, size_t row) {
    if (columns_.file.empty()) {
      const auto found = images_.find(id);
      if (found == images_.end()) return {};
      return {found->second};
    }
    return names_.Find(FileNameOf(table_, columns_, row));
  }

  absl::Status Join(const std::string& id, size_t row) {
    const std::vector<ImageNames::Place> images = ImagesOf(id, row);
    if (images.size() != 1) {
      const std::string file =
          columns_.file.empty() ? "" : absl::StrCat(": ", FileNameOf(table_, columns_, row));
      AddProblem(index_.problems, images.empty() ? "label_without_image" : "duplicate_id",
                 absl::StrCat(id, file));
      return absl::OkStatus();
    }
    const ImageNames::Place image = images[0];
    const Entry& entry = index_.containers[image.container]->entries()[image.entry];
    if (labelled_[image.container][image.entry]) {
      AddProblem(index_.problems, "duplicate_id", absl::StrCat(id, ": ", entry.path));
      return absl::OkStatus();
    }
    labelled_[image.container][image.entry] = true;
    if (!entry.problem.empty()) {
      AddProblem(index_.problems, "corrupt", absl::StrCat(entry.path, " (", entry.problem, ")"));
      return absl::OkStatus();
    }
    Sample sample{image.container, image.entry, id};
    if (columns_.target) sample.label = class_numbers_[table_.cell(row, *columns_.target)];
    if (const auto split = split_of_id_.find(id); split != split_of_id_.end()) {
      sample.split = split_numbers_[split->second];
    } else if (columns_.split && !table_.cell(row, *columns_.split).empty()) {
      sample.split = split_numbers_[table_.cell(row, *columns_.split)];
    }
    index_.samples.push_back(std::move(sample));
    for (const size_t column : columns_.values) {
      ASSIGN_OR_RETURN(const float value, TargetIn(table_, row, column, targets_));
      index_.targets.push_back(value);
    }
    if (columns_.weight) {
      ASSIGN_OR_RETURN(const float weight, WeightIn(table_, row, *columns_.weight));
      index_.weights.push_back(weight);
    }
    if (groups_.asked()) {
      ASSIGN_OR_RETURN(index_.groups.emplace_back(), groups_.Of(row));
    }
    if (columns_.position) {
      index_.positions.push_back(DegreesIn(table_, row, columns_.position->first));
      index_.positions.push_back(DegreesIn(table_, row, columns_.position->second));
    }
    return absl::OkStatus();
  }

  SampleIndex& index_;
  const TextTable& table_;
  const Columns& columns_;
  const spec::TargetColumns& targets_;
  const SplitOfId& split_of_id_;  // Of the tables of data.splits.
  GroupNumbers groups_;
  ImageNames names_;
  absl::flat_hash_map<std::string, ImageNames::Place> images_;  // By ids.
  std::vector<std::vector<bool>> labelled_;                     // By container and entry.
  absl::flat_hash_map<std::string, int32_t> class_numbers_, split_numbers_;
};

}  // namespace

absl::StatusOr<SampleIndex> IndexImagesWithTable(std::vector<std::unique_ptr<Container>> containers,
                                                 const std::string& table_path,
                                                 const v1::Files& files,
                                                 const spec::TargetColumns& targets,
                                                 const SplitTablePaths& split_tables,
                                                 const std::string& group) {
  std::set<std::string> wanted;
  if (targets.unlabelled || !targets.values.empty() || !targets.class_column.empty()) {
    wanted = {files.id(), files.split(), files.weight(), targets.class_column, group};
    wanted.insert(targets.values.begin(), targets.values.end());
    wanted.insert(files.file().begin(), files.file().end());
    wanted.insert(PositionColumnNames().begin(), PositionColumnNames().end());
  }
  ASSIGN_OR_RETURN(TextTable table, ReadTable(table_path, wanted));
  ASSIGN_OR_RETURN(const SplitOfId split_of_id,
                   AddSplitTables(split_tables, files.id(), wanted, table));
  ASSIGN_OR_RETURN(const Columns columns, FindColumns(table, files, targets, group));
  SampleIndex index;
  index.format = v1::DatasetManifest::FORMAT_IMAGES_WITH_TABLE;
  index.path = table_path;
  if (columns.target) index.target = table.header[*columns.target];
  index.target_names = targets.values;
  index.rows = static_cast<int64_t>(table.rows());
  index.containers = std::move(containers);
  RETURN_IF_ERROR(TableJoiner(index, table, columns, targets, split_of_id, group).Run());
  if (index.samples.empty()) {
    const bool by_file = !columns.file.empty();
    std::string image_ids;
    const std::string row_id = by_file ? FileNameOf(table, columns, 0) : table.cell(0, columns.id);
    for (const auto& container : index.containers) {
      if (container->entries().empty()) continue;
      const std::string& path = container->entries()[0].path;
      image_ids = by_file ? path : StemOf(path);
    }
    return DataInvalid(absl::StrCat(
        "no image matches a row: ", by_file ? "file names" : "ids", " in ", Quotable(table_path),
        " look like \"", Quotable(row_id), "\", ",
        image_ids.empty() ? "and there are no images"
                          : absl::StrCat("names of images like \"", Quotable(image_ids), "\"")));
  }
  return index;
}

}  // namespace skytrain::data
