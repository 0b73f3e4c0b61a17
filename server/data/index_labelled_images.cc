// Sets of files that bring their images' labels along.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "server/data/array_file.h"
#include "server/data/data_errors.h"
#include "server/data/labelled_images.h"
#include "server/data/paths.h"
#include "server/data/sample_index.h"
#include "server/spec/class_plan.h"

namespace skytrain::data {
namespace {

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
absl::StatusOr<std::vector<Part>> OpenParts(const std::vector<std::string>& paths) {
  std::vector<Part> parts;
  std::map<std::string, std::vector<std::shared_ptr<ArrayFile>>> halves;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(std::shared_ptr<ArrayFile> file, OpenArrayFile(path));
    const bool single = file->arrays().size() == 1 && file->arrays()[0].name.empty();
    if (single && paths.size() > 1) {
      halves[PairKeyOf(path)].push_back(std::move(file));
      continue;
    }
    ASSIGN_OR_RETURN(LabelledImages images, ImagesOfArrays(std::move(file)));
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
    ASSIGN_OR_RETURN(LabelledImages images, ImagesOfArrays(files[0], *files[1]));
    parts.push_back({path, std::move(images)});
  }
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.path < b.path; });
  return parts;
}

SampleIndex Combine(const std::string& path, std::vector<Part> parts) {
  SampleIndex index;
  index.format = v1::DatasetManifest::FORMAT_ARRAYS;
  index.path = path;
  std::set<std::string> splits, classes;
  bool all_named = true;
  for (const Part& part : parts) {
    const std::string split = SplitOf(part.path);
    all_named &= !split.empty();
    splits.insert(split);
    classes.insert(part.images.labels.begin(), part.images.labels.end());
  }
  // One file alone is a whole set, whatever its name.
  const bool has_splits = all_named && splits.size() > 1;
  if (has_splits) index.splits.assign(splits.begin(), splits.end());
  index.classes.assign(classes.begin(), classes.end());
  spec::SortClasses(index.classes);
  std::map<std::string, int32_t> class_numbers;
  for (size_t c = 0; c < index.classes.size(); ++c) {
    class_numbers[index.classes[c]] = static_cast<int32_t>(c);
  }
  for (size_t p = 0; p < parts.size(); ++p) {
    Part& part = parts[p];
    const auto split = has_splits ? std::distance(splits.begin(), splits.find(SplitOf(part.path)))
                                  : std::ptrdiff_t{-1};
    const std::string prefix =
        parts.size() == 1 ? "" : absl::StrCat(part.path.substr(part.path.rfind('/') + 1), ":");
    for (size_t i = 0; i < part.images.ids.size(); ++i) {
      index.samples.push_back({p, i, prefix + part.images.ids[i],
                               class_numbers[part.images.labels[i]], static_cast<int32_t>(split)});
    }
    index.containers.push_back(std::move(part.images.container));
  }
  index.images = static_cast<int64_t>(index.samples.size());
  return index;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FindArrayFiles(const std::string& resolved,
                                                        const std::vector<std::string>& roots) {
  std::vector<std::string> found;
  ASSIGN_OR_RETURN(const FileKind kind, KindOf(resolved));
  if (kind != FileKind::kFolder) return found;
  ASSIGN_OR_RETURN(const WalkedFolder folder, WalkFolder(resolved, roots));
  for (const WalkedFile& file : folder.files) {
    const std::string path = absl::StrCat(resolved, "/", file.path);
    if (file.size == 0) continue;
    ASSIGN_OR_RETURN(const FileKind of_file, KindOf(path));
    if (of_file == FileKind::kArrays) found.push_back(path);
  }
  return found;
}

absl::StatusOr<SampleIndex> IndexArrays(const std::string& resolved,
                                        const std::vector<std::string>& files) {
  ASSIGN_OR_RETURN(std::vector<Part> parts, OpenParts(files));
  return Combine(resolved, std::move(parts));
}

}  // namespace skytrain::data
