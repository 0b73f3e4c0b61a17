#include "server/data/preview.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/image.h"
#include "server/data/random.h"
#include "server/data/sample_index.h"
#include "server/data/sheet.h"
#include "server/data/sources.h"

namespace skytrain::data {
namespace {

constexpr int kColumns = 8;
constexpr int kDefaultPerClass = 8, kMaxPerClass = 64;
constexpr int kDefaultSide = 96, kMinSide = 32, kMaxSide = 256;
constexpr int64_t kMaxPixels = 1'300'000;  // Three bytes each: a message takes 4 MiB.
constexpr int kThreads = 2;

absl::Status CheckRange(const char* field, int value, int low, int high) {
  if (value == 0 || (value >= low && value <= high)) return absl::OkStatus();
  return DataInvalid(
      absl::StrCat(field, ": must be between ", low, " and ", high, ", not ", value));
}

// Numbers of the samples of each class, `per_class` at most, drawn by `seed`. Samples without a
// class are the last group.
std::vector<std::vector<size_t>> Choose(const SampleIndex& index, int32_t split, int per_class,
                                        uint64_t seed) {
  std::vector<std::vector<size_t>> chosen(index.classes.size() + 1);
  const auto count = static_cast<int64_t>(index.samples.size());
  for (const int64_t i : Permutation(seed, Purpose::kOrder, 0, count)) {
    const Sample& sample = index.samples[i];
    if (split >= 0 && sample.split != split) continue;
    const bool labelled =
        sample.label >= 0 && static_cast<size_t>(sample.label) < index.classes.size();
    auto& group = labelled ? chosen[sample.label] : chosen.back();
    if (group.size() < static_cast<size_t>(per_class)) group.push_back(i);
  }
  for (auto& group : chosen) std::sort(group.begin(), group.end());
  return chosen;
}

// Decodes the samples `numbers` to the squares of `view`; those that cannot be decoded are left
// out.
absl::StatusOr<std::map<size_t, SheetImage>> Decode(const SampleIndex& index,
                                                    const std::vector<size_t>& numbers,
                                                    const View& view) {
  const int side = CanvasSize(view);
  std::map<size_t, SheetImage> images;
  Mutex mu;
  for (size_t c = 0; c < index.containers.size(); ++c) {
    std::vector<size_t> wanted;
    std::map<size_t, size_t> sample_of;
    for (const size_t i : numbers) {
      if (index.samples[i].container != c) continue;
      wanted.push_back(index.samples[i].entry);
      sample_of[index.samples[i].entry] = i;
    }
    if (wanted.empty()) continue;
    const auto decode = [&](size_t entry, absl::string_view bytes) {
      SheetImage image{std::vector<uint8_t>(size_t{3} * side * side), ""};
      if (!DecodeToCanvas(bytes, view, image.rgb.data()).ok()) return true;
      const size_t i = sample_of.at(entry);
      image.caption = index.samples[i].id;
      MutexLock lock(mu);
      images[i] = std::move(image);
      return true;
    };
    std::sort(wanted.begin(), wanted.end());
    RETURN_IF_ERROR(index.containers[c]->Read(wanted, kThreads, decode));
  }
  return images;
}

// "spiral (1,204)": the class and how many samples it has, in the split that is shown.
std::string TitleOf(const SampleIndex& index, size_t group, int32_t split) {
  int64_t count = 0;
  for (const Sample& sample : index.samples) {
    const bool of_class = group < index.classes.size() ? sample.label == static_cast<int32_t>(group)
                                                       : sample.label < 0 || index.classes.empty();
    if (of_class && (split < 0 || sample.split == split)) ++count;
  }
  const std::string name = group < index.classes.size() ? Quotable(index.classes[group]) : "images";
  return absl::StrCat(name, " (", Grouped(count), ")");
}

absl::StatusOr<int32_t> FindSplit(const SampleIndex& index, const std::string& name) {
  if (name.empty()) return -1;
  const auto found = std::find(index.splits.begin(), index.splits.end(), name);
  if (found != index.splits.end()) return static_cast<int32_t>(found - index.splits.begin());
  return DataInvalid(absl::StrCat(
      "split: the data set has no split \"", Quotable(name), "\"; it has ",
      index.splits.empty() ? "none"
                           : SomeOf(index.splits, static_cast<int64_t>(index.splits.size()))));
}

}  // namespace

absl::StatusOr<v1::PreviewDatasetResponse> PreviewDataset(
    const v1::PreviewDatasetRequest& request, const spec::TargetColumns& targets,
    const std::vector<std::string>& data_roots) {
  RETURN_IF_ERROR(CheckRange("per_class", request.per_class(), 1, kMaxPerClass));
  RETURN_IF_ERROR(CheckRange("tile_size", request.tile_size(), kMinSide, kMaxSide));
  const int per_class = request.per_class() > 0 ? request.per_class() : kDefaultPerClass;
  v1::Data shown;
  *shown.mutable_image() = request.data().image();
  shown.mutable_image()->set_size(request.tile_size() > 0 ? request.tile_size() : kDefaultSide);
  const View view = ViewOf(shown);  // No augmentation, so no margin.
  if (!(view.center_crop > 0 && view.center_crop <= 1)) {
    return DataInvalid("data.image.center_crop: must be greater than 0 and at most 1");
  }
  ASSIGN_OR_RETURN(const Sources sources, ResolveSources(request.data(), data_roots));
  if (sources.is_table()) {
    return DataInvalid(absl::StrCat(Quotable(sources.table), " is a table: it has no images"));
  }
  ASSIGN_OR_RETURN(const SampleIndex index,
                   OpenIndex(request.data(), targets, sources, data_roots));
  ASSIGN_OR_RETURN(const int32_t split, FindSplit(index, request.split()));
  const auto chosen = Choose(index, split, per_class, request.seed());
  std::vector<size_t> numbers;
  for (const auto& group : chosen) numbers.insert(numbers.end(), group.begin(), group.end());
  ASSIGN_OR_RETURN(auto images, Decode(index, numbers, view));

  std::vector<SheetGroup> groups;
  v1::PreviewDatasetResponse response;
  for (size_t g = 0; g < chosen.size(); ++g) {
    if (chosen[g].empty()) continue;
    SheetGroup& group = groups.emplace_back();
    group.title = TitleOf(index, g, split);
    for (const size_t i : chosen[g]) {
      const auto image = images.find(i);
      if (image == images.end()) {
        response.set_undecodable(response.undecodable() + 1);
        continue;
      }
      group.images.push_back(std::move(image->second));
    }
  }
  const Sheet sheet = DrawSheet(groups, view.size, kColumns, kMaxPixels);
  response.set_width(sheet.width);
  response.set_height(sheet.height);
  response.set_groups(static_cast<int32_t>(groups.size()));
  response.set_groups_shown(sheet.groups);
  ASSIGN_OR_RETURN(*response.mutable_png(), EncodePng(sheet.width, sheet.height, sheet.rgb.data()));
  return response;
}

}  // namespace skytrain::data
