#include "server/data/image_names.h"

#include <algorithm>

#include "absl/strings/strip.h"

namespace skytrain::data {
namespace {

std::string WithoutSuffix(absl::string_view path) {
  const size_t folder = path.rfind('/') + 1;  // 0 where there is none.
  return std::string(path.substr(0, folder)) + StemOf(path);
}

size_t Depth(absl::string_view path) {
  return static_cast<size_t>(std::count(path.begin(), path.end(), '/')) + 1;
}

// The last `depth` parts; all where there are fewer.
absl::string_view LastParts(absl::string_view path, size_t depth) {
  size_t begin = path.size();
  for (size_t part = 0; part < depth && begin != absl::string_view::npos; ++part) {
    begin = begin == 0 ? absl::string_view::npos : path.rfind('/', begin - 1);
  }
  return begin == absl::string_view::npos ? path : path.substr(begin + 1);
}

}  // namespace

ImageNames::ImageNames(const std::vector<std::unique_ptr<Container>>& containers)
    : containers_(containers) {
  for (size_t c = 0; c < containers.size(); ++c) {
    const std::vector<Entry>& entries = containers[c]->entries();
    for (size_t e = 0; e < entries.size(); ++e) {
      whole_[WithoutSuffix(entries[e].path)].push_back({c, e});
    }
  }
}

const ImageNames::Index& ImageNames::ByLastParts(size_t depth) {
  const auto [index, made] = by_last_parts_.try_emplace(depth);
  if (!made) return index->second;
  for (const auto& [path, places] : whole_) {
    if (Depth(path) < depth) continue;
    std::vector<Place>& same = index->second[LastParts(path, depth)];
    same.insert(same.end(), places.begin(), places.end());
  }
  return index->second;
}

const std::vector<ImageNames::Place>& ImageNames::Find(absl::string_view name) {
  static const std::vector<Place>& none = *new std::vector<Place>();
  while (absl::ConsumePrefix(&name, "./") || absl::ConsumePrefix(&name, "/")) {
  }
  const std::string path = WithoutSuffix(name);
  constexpr size_t kDeepest = 32;
  const size_t depth = std::min(Depth(path), kDeepest);
  const Index& index = ByLastParts(depth);
  if (const auto found = index.find(path); found != index.end()) return found->second;
  for (size_t parts = depth; parts > 0; --parts) {
    const auto found = whole_.find(LastParts(path, parts));
    if (found != whole_.end()) return found->second;
  }
  return none;
}

}  // namespace skytrain::data
