#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/sample_index.h"
#include "server/spec/class_plan.h"

namespace skytrain::data {
namespace {

constexpr size_t kMostClasses = 32768;
constexpr absl::string_view kSplitNames[] = {"train", "val", "valid", "validation", "test"};

bool IsSplitName(absl::string_view name) {
  return std::any_of(std::begin(kSplitNames), std::end(kSplitNames),
                     [&](absl::string_view split) { return absl::EqualsIgnoreCase(name, split); });
}

using Parts = std::vector<std::string>;  // Folders of a file, outermost first.

// How many folders all images share above splits and classes.
size_t RootDepth(const std::vector<Parts>& folders) {
  size_t depth = 0;
  for (;; ++depth) {
    const std::string* first = nullptr;
    for (const Parts& parts : folders) {
      // One folder must be left for the class.
      if (parts.size() < depth + 2) return depth;
      if (first == nullptr) first = &parts[depth];
      if (parts[depth] != *first || IsSplitName(parts[depth])) return depth;
    }
    if (first == nullptr) return depth;
  }
}

struct Place {
  std::string split, class_name;
};

class FolderIndexer {
 public:
  FolderIndexer(SampleIndex& index, bool labelled)
      : index_(index), source_(*index.containers[0]), labelled_(labelled) {}

  absl::Status Run() {
    std::vector<Parts> folders;
    for (const Entry& entry : source_.entries()) {
      Parts parts = absl::StrSplit(entry.path, '/', absl::SkipEmpty());
      if (!parts.empty()) parts.pop_back();
      if (!entry.problem.empty()) {
        AddProblem(index_.problems, "corrupt", absl::StrCat(entry.path, " (", entry.problem, ")"));
        continue;
      }
      entries_.push_back(static_cast<size_t>(&entry - source_.entries().data()));
      folders.push_back(std::move(parts));
    }
    index_.images = static_cast<int64_t>(source_.entries().size());
    if (entries_.empty()) {
      return DataInvalid(absl::StrCat(Quotable(index_.path), " holds no JPEG or PNG images"));
    }
    if (!labelled_) return ListAll();
    root_ = RootDepth(folders);
    RETURN_IF_ERROR(FindSplits(folders));
    RETURN_IF_ERROR(PlaceAll(folders));
    FindEmptyClasses();
    return NameClasses();
  }

 private:
  absl::Status ListAll() {
    const std::vector<std::string> ids = Ids();
    for (size_t i = 0; i < entries_.size(); ++i) index_.samples.push_back({0, entries_[i], ids[i]});
    return absl::OkStatus();
  }

  // Either all top folders are splits or none.
  absl::Status FindSplits(const std::vector<Parts>& folders) {
    std::set<std::string> splits, others;
    for (const Parts& parts : folders) {
      if (parts.size() <= root_) continue;  // Reported by PlaceAll.
      (IsSplitName(parts[root_]) ? splits : others).insert(parts[root_]);
    }
    if (!splits.empty() && !others.empty()) {
      return DataInvalid(absl::StrCat(
          Quotable(index_.path), " mixes split folders (", absl::StrJoin(splits, ", "),
          ") with other folders of images (", SomeOf({others.begin(), others.end()}, others.size()),
          "); expected is [split/]class/file"));
    }
    index_.splits.assign(splits.begin(), splits.end());
    return absl::OkStatus();
  }

  absl::Status PlaceAll(const std::vector<Parts>& folders) {
    std::vector<std::string> loose;
    const size_t class_depth = root_ + (index_.splits.empty() ? 0 : 1);
    for (size_t i = 0; i < folders.size(); ++i) {
      if (folders[i].size() <= class_depth) {
        loose.push_back(source_.entries()[entries_[i]].path);
        continue;
      }
      places_.push_back({index_.splits.empty() ? "" : folders[i][root_], folders[i][class_depth]});
      class_names_.insert(places_.back().class_name);
    }
    if (loose.empty()) return absl::OkStatus();
    return DataInvalid(
        absl::StrCat(Quotable(index_.path), ": ", Grouped(static_cast<int64_t>(loose.size())),
                     loose.size() == 1 ? " image lies" : " images lie", " in no class folder (",
                     SomeOf(loose, static_cast<int64_t>(loose.size())),
                     "); expected is [split/]class/file, or a table with the classes: data.files"));
  }

  // Folders beside the classes without an image.
  void FindEmptyClasses() {
    const size_t class_depth = root_ + (index_.splits.empty() ? 0 : 1);
    std::set<std::string> empty;
    for (const std::string& folder : source_.folders()) {
      const Parts parts = absl::StrSplit(folder, '/', absl::SkipEmpty());
      if (parts.size() != class_depth + 1) continue;
      if (!index_.splits.empty() && !IsSplitName(parts[root_])) continue;
      if (index_.splits.empty() && IsSplitName(parts[root_])) continue;
      if (class_names_.count(parts[class_depth]) == 0) empty.insert(parts[class_depth]);
    }
    for (const std::string& name : empty) {
      AddProblem(index_.problems, "empty_class", name);
      class_names_.insert(name);
    }
  }

  absl::Status NameClasses() {
    if (class_names_.size() > kMostClasses) {
      return DataInvalid(absl::StrCat(
          Quotable(index_.path), " has ", Grouped(static_cast<int64_t>(class_names_.size())),
          " class folders, at most ", Grouped(kMostClasses), " are allowed"));
    }
    index_.classes.assign(class_names_.begin(), class_names_.end());
    spec::SortClasses(index_.classes);
    std::map<std::string, int32_t> class_numbers, split_numbers;
    for (size_t c = 0; c < index_.classes.size(); ++c) class_numbers[index_.classes[c]] = c;
    for (size_t s = 0; s < index_.splits.size(); ++s) split_numbers[index_.splits[s]] = s;
    const std::vector<std::string> ids = Ids();
    for (size_t i = 0; i < entries_.size(); ++i) {
      index_.samples.push_back({0, entries_[i], ids[i], class_numbers[places_[i].class_name],
                                index_.splits.empty() ? -1 : split_numbers[places_[i].split]});
    }
    return absl::OkStatus();
  }

  // One for each of entries_, no two the same: the stem of the file's name, or as much more of its
  // path as it takes. Image sets may number their files within each class, or hold 1.png and 1.jpg.
  std::vector<std::string> Ids() const {
    std::map<std::string, int> stems, stems_in_folders;
    std::set<std::string> paths;
    const auto in_folder = [](const std::string& path) {
      return absl::StrCat(path.substr(0, path.rfind('/') + 1), StemOf(path));
    };
    for (const size_t entry : entries_) {
      const std::string& path = source_.entries()[entry].path;
      ++stems[StemOf(path)];
      ++stems_in_folders[in_folder(path)];
      paths.insert(path);
    }
    std::vector<std::string> ids;
    for (const size_t entry : entries_) {
      const std::string& path = source_.entries()[entry].path;
      ids.push_back(StemOf(path));
      if (stems[ids.back()] > 1) ids.back() = in_folder(path);
      if (stems_in_folders[ids.back()] > 1 || paths.count(ids.back()) > 0) ids.back() = path;
    }
    return ids;
  }

  SampleIndex& index_;
  const Container& source_;
  const bool labelled_;
  std::vector<size_t> entries_;  // Usable ones.
  size_t root_ = 0;
  std::vector<Place> places_;  // One for each of entries_.
  std::set<std::string> class_names_;
};

absl::StatusOr<SampleIndex> Index(std::unique_ptr<Container> container, bool labelled) {
  SampleIndex index;
  index.format = v1::DatasetManifest::FORMAT_IMAGE_FOLDER;
  index.path = container->path();
  index.containers.push_back(std::move(container));
  RETURN_IF_ERROR(FolderIndexer(index, labelled).Run());
  return index;
}

}  // namespace

absl::StatusOr<SampleIndex> IndexImageFolder(std::unique_ptr<Container> container) {
  return Index(std::move(container), /*labelled=*/true);
}

absl::StatusOr<SampleIndex> IndexUnlabelledImages(std::unique_ptr<Container> container) {
  return Index(std::move(container), /*labelled=*/false);
}

}  // namespace skytrain::data
