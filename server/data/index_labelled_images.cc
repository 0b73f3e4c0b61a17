// Sets of files that bring their images' labels along.
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "server/data/array_file.h"
#include "server/data/data_errors.h"
#include "server/data/groups.h"
#include "server/data/labelled_images.h"
#include "server/data/paths.h"
#include "server/data/positions.h"
#include "server/data/sample_index.h"
#include "server/data/table_values.h"
#include "server/spec/class_plan.h"

namespace skytrain::data {
namespace {

constexpr size_t kMostClasses = 32768;

// The words of a file's name, in lower case: "t10k-images-idx3-ubyte.gz" → t10k, images, idx3, …
std::vector<std::string> WordsOf(const std::string& path) {
  const std::string name = absl::AsciiStrToLower(path.substr(path.rfind('/') + 1));
  return absl::StrSplit(name, absl::ByAnyChar("-_. "), absl::SkipEmpty());
}

// The split that a file's name tells; empty: none.
std::string SplitOf(const std::string& path) {
  for (const std::string& word : WordsOf(path)) {
    if (word == "t10k") return "test";  // MNIST's name for its ten thousand test images.
    for (const char* split : {"train", "val", "valid", "validation", "test"}) {
      if (word == split) return word;
    }
  }
  return "";
}

// What the names of a file of images and of the file of their labels have in common.
std::string PairKeyOf(const std::string& path) {
  std::string key = path.substr(0, path.rfind('/') + 1);
  for (const std::string& word : WordsOf(path)) {
    const bool role = word == "images" || word == "image" || word == "labels" || word == "label" ||
                      word == "x" || word == "y" || word == "idx1" || word == "idx3" ||
                      word == "gz";
    if (!role) absl::StrAppend(&key, word, "-");
  }
  return key;
}

struct Part {
  std::string path;
  LabelledImages images;
};

// Opens files of which each holds images and labels, or one of both.
absl::StatusOr<std::vector<Part>> OpenParts(const std::vector<std::string>& paths, bool labelled,
                                            const std::string& group) {
  std::vector<Part> parts;
  std::map<std::string, std::vector<std::shared_ptr<ArrayFile>>> halves;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const FileKind kind, KindOf(path));
    if (kind != FileKind::kArrays) {
      ASSIGN_OR_RETURN(LabelledImages images,
                       kind == FileKind::kParquet ? ImagesOfParquet(path) : ImagesOfShard(path));
      parts.push_back({path, std::move(images)});
      continue;
    }
    ASSIGN_OR_RETURN(std::shared_ptr<ArrayFile> file, OpenArrayFile(path));
    const bool single = file->arrays().size() == 1 && file->arrays()[0].name.empty();
    if (!labelled) {
      // Labels in a file of their own.
      if (single && file->arrays()[0].shape.size() < 3 && paths.size() > 1) continue;
      ASSIGN_OR_RETURN(LabelledImages images, UnlabelledImagesOfArrays(std::move(file), group));
      parts.push_back({path, std::move(images)});
      continue;
    }
    if (single && paths.size() > 1) {
      halves[PairKeyOf(path)].push_back(std::move(file));
      continue;
    }
    ASSIGN_OR_RETURN(LabelledImages images, ImagesOfArrays(std::move(file), group));
    parts.push_back({path, std::move(images)});
  }
  for (auto& [key, files] : halves) {
    // Images have more dimensions than labels.
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
      return a->arrays()[0].shape.size() > b->arrays()[0].shape.size();
    });
    if (files.size() != 2) {
      return DataInvalid(absl::StrCat(Quotable(files[0]->path()),
                                      ": expected is one file of images and one of labels, named "
                                      "alike (train-images…, train-labels…); found ",
                                      files.size()));
    }
    const std::string path = files[0]->path();
    ASSIGN_OR_RETURN(LabelledImages images, ImagesOfArrays(files[0], *files[1], group));
    parts.push_back({path, std::move(images)});
  }
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.path < b.path; });
  return parts;
}

// The column with the classes: `target`, else one that is named as such, else the only one besides
// `group`.
absl::StatusOr<size_t> ClassColumn(const TextTable& table, const std::string& target,
                                   const std::string& group) {
  if (!target.empty()) return table.Column(target, "task.classification.target");
  std::vector<size_t> others;
  for (size_t c = 0; c < table.header.size(); ++c) {
    if (table.header[c] != group) others.push_back(c);
  }
  for (const char* name : {"cls", "label", "labels", "class"}) {
    for (const size_t c : others) {
      if (table.header[c] == name) return c;
    }
  }
  if (others.size() == 1) return others[0];
  return DataInvalid(absl::StrCat(
      "task.classification.target: say which of ", Quotable(table.path),
      " is the class: ", SomeOf(table.header, static_cast<int64_t>(table.header.size()), 20)));
}

class Combiner {
 public:
  Combiner(const std::string& path, std::vector<Part> parts, const spec::TargetColumns& targets,
           const std::string& group)
      : parts_(std::move(parts)), targets_(targets), group_(group), groups_(group) {
    index_.target_names = targets.values;
    index_.format = v1::DatasetManifest::FORMAT_LABELLED_IMAGES;
    index_.path = path;
  }

  absl::StatusOr<SampleIndex> Run() {
    RETURN_IF_ERROR(CollectNames());
    for (size_t p = 0; p < parts_.size(); ++p) RETURN_IF_ERROR(Add(p));
    index_.images = static_cast<int64_t>(index_.samples.size());
    if (!positions_known_) index_.positions.clear();
    return std::move(index_);
  }

 private:
  absl::Status CollectNames() {
    std::set<std::string> splits, classes;
    bool all_named = true;
    for (const Part& part : parts_) {
      const std::string split = SplitOf(part.path);
      all_named &= !split.empty();
      splits.insert(split);
      const TextTable& table = part.images.table;
      if (targets_.unlabelled) {
        columns_.emplace_back();
        continue;
      }
      if (!targets_.values.empty()) {
        ASSIGN_OR_RETURN(std::vector<size_t> columns, FindValueColumns(table, targets_));
        columns_.push_back(std::move(columns));
        continue;
      }
      ASSIGN_OR_RETURN(const size_t column, ClassColumn(table, targets_.class_column, group_));
      columns_.push_back({column});
      index_.target = table.header[column];
      classes.insert(table.columns[column].begin(), table.columns[column].end());
      if (classes.size() > kMostClasses) {
        return DataInvalid(absl::StrCat("\"", Quotable(table.header[column]), "\" of ",
                                        Quotable(table.path), " has more than ",
                                        Grouped(kMostClasses), " different values: not classes"));
      }
    }
    classes.erase("");
    // One file alone is a whole set, whatever its name.
    if (all_named && splits.size() > 1) index_.splits.assign(splits.begin(), splits.end());
    index_.classes.assign(classes.begin(), classes.end());
    spec::SortClasses(index_.classes);
    for (size_t c = 0; c < index_.classes.size(); ++c) {
      class_numbers_[index_.classes[c]] = static_cast<int32_t>(c);
    }
    return absl::OkStatus();
  }

  // An empty cell says nothing of the image, unless the task knows better.
  bool IsLabelled(const TextTable& table, size_t row, const std::vector<size_t>& columns) const {
    return targets_.empty_is_zero ||
           std::none_of(columns.begin(), columns.end(),
                        [&](size_t column) { return table.cell(row, column).empty(); });
  }

  absl::Status Add(size_t number) {
    Part& part = parts_[number];
    LabelledImages& images = part.images;
    const auto split = std::find(index_.splits.begin(), index_.splits.end(), SplitOf(part.path));
    const std::string name = part.path.substr(part.path.rfind('/') + 1);
    const TextTable& table = images.table;
    const std::vector<size_t>& columns = columns_[number];
    const auto position = FindPositionColumns(table);
    positions_known_ |= position.has_value();
    if (groups_.asked()) RETURN_IF_ERROR(groups_.Use(table));
    constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
    const int32_t split_number =
        split == index_.splits.end() ? -1 : static_cast<int32_t>(split - index_.splits.begin());
    for (size_t i = 0; i < images.ids.size(); ++i) {
      const Entry& entry = images.container->entries()[i];
      const std::string id = images.ids_are_rows && parts_.size() > 1
                                 ? absl::StrCat(name, ":", images.ids[i])
                                 : images.ids[i];
      if (!entry.problem.empty()) {
        AddProblem(index_.problems, "corrupt", absl::StrCat(entry.path, " (", entry.problem, ")"));
      } else if (!IsLabelled(table, i, columns)) {
        AddProblem(index_.problems, "image_without_label", absl::StrCat(name, ": ", entry.path));
      } else if (!ids_.insert(id).second) {
        AddProblem(index_.problems, "duplicate_id", absl::StrCat(name, ": ", entry.path));
      } else {
        const bool has_class = !targets_.unlabelled && targets_.values.empty();
        const int32_t label = has_class ? class_numbers_[table.cell(i, columns[0])] : 0;
        index_.samples.push_back({number, i, id, label, split_number});
        for (size_t c = 0; c < targets_.values.size(); ++c) {
          ASSIGN_OR_RETURN(const float value, TargetIn(table, i, columns[c], targets_));
          index_.targets.push_back(value);
        }
        if (groups_.asked()) {
          ASSIGN_OR_RETURN(index_.groups.emplace_back(), groups_.Of(i));
        }
        index_.positions.push_back(position ? DegreesIn(table, i, position->first) : kUnknown);
        index_.positions.push_back(position ? DegreesIn(table, i, position->second) : kUnknown);
      }
    }
    for (const v1::DatasetManifest::Problem& problem : images.problems) {
      for (const std::string& who : problem.names()) {
        AddProblem(index_.problems, problem.kind(), who);
      }
      const auto same = std::find_if(index_.problems.begin(), index_.problems.end(),
                                     [&](const auto& p) { return p.kind() == problem.kind(); });
      same->set_count(same->count() + problem.count() - problem.names_size());
    }
    index_.containers.push_back(std::move(images.container));
    return absl::OkStatus();
  }

  std::vector<Part> parts_;
  const spec::TargetColumns& targets_;
  const std::string& group_;
  GroupNumbers groups_;
  SampleIndex index_;
  // Of each part: that of the class, or of the numbers; none where nothing is asked.
  std::vector<std::vector<size_t>> columns_;
  std::map<std::string, int32_t> class_numbers_;
  absl::flat_hash_set<std::string> ids_;
  bool positions_known_ = false;  // Of any part.
};

}  // namespace

bool IsShard(const Container& container) {
  const auto images = static_cast<int64_t>(container.entries().size());
  return container.label_files() > 0 && 2 * container.label_files() >= images;
}

absl::StatusOr<std::vector<std::string>> FindLabelledImages(const std::string& resolved,
                                                            const std::vector<std::string>& roots) {
  std::vector<std::string> found;
  ASSIGN_OR_RETURN(const FileKind kind, KindOf(resolved));
  if (kind != FileKind::kFolder) return found;
  ASSIGN_OR_RETURN(const WalkedFolder folder, WalkFolder(resolved, roots));
  for (const WalkedFile& file : folder.files) {
    const std::string path = absl::StrCat(resolved, "/", file.path);
    if (file.size == 0) continue;
    ASSIGN_OR_RETURN(const FileKind of_file, KindOf(path));
    if (of_file == FileKind::kArrays || of_file == FileKind::kParquet ||
        of_file == FileKind::kTar || of_file == FileKind::kCompressedTar) {
      found.push_back(path);
    }
  }
  return found;
}

absl::StatusOr<SampleIndex> IndexLabelledImages(const std::string& resolved,
                                                const std::vector<std::string>& files,
                                                const spec::TargetColumns& targets,
                                                const std::string& group) {
  ASSIGN_OR_RETURN(std::vector<Part> parts, OpenParts(files, !targets.unlabelled, group));
  return Combiner(resolved, std::move(parts), targets, group).Run();
}

}  // namespace skytrain::data
