#include "server/data/cache_format.h"

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstring>

#include "common/digest/digest.h"

namespace skytrain::data {
namespace {

void PutBytes(std::string& to, absl::string_view bytes) {
  const uint64_t size = bytes.size();
  to.append(reinterpret_cast<const char*>(&size), sizeof(size));
  to.append(bytes.data(), bytes.size());
}

template <typename T>
void PutArray(std::string& to, const std::vector<T>& values) {
  PutBytes(to, absl::string_view(reinterpret_cast<const char*>(values.data()),
                                 values.size() * sizeof(T)));
}

void PutStrings(std::string& to, const std::vector<std::string>& values) {
  std::string joined;
  for (const std::string& value : values) PutBytes(joined, value);
  PutBytes(to, joined);
}

bool GetBytes(absl::string_view& from, absl::string_view& bytes) {
  uint64_t size;
  if (from.size() < sizeof(size)) return false;
  std::memcpy(&size, from.data(), sizeof(size));
  from.remove_prefix(sizeof(size));
  if (size > from.size()) return false;
  bytes = from.substr(0, size);
  from.remove_prefix(size);
  return true;
}

template <typename T>
bool GetArray(absl::string_view& from, std::vector<T>& values) {
  absl::string_view bytes;
  if (!GetBytes(from, bytes) || bytes.size() % sizeof(T) != 0) return false;
  values.resize(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return true;
}

bool GetStrings(absl::string_view& from, std::vector<std::string>& values) {
  absl::string_view joined, value;
  if (!GetBytes(from, joined)) return false;
  while (!joined.empty()) {
    if (!GetBytes(joined, value)) return false;
    values.emplace_back(value);
  }
  return true;
}

}  // namespace

uint32_t HeaderCrc(const CacheHeader& header) {
  return MaskCrc(Crc32c(absl::string_view(reinterpret_cast<const char*>(&header),
                                          offsetof(CacheHeader, header_crc))));
}

std::string EncodeIndex(const CacheIndex& index) {
  std::string bytes;
  PutBytes(bytes, index.manifest.SerializeAsString());
  PutStrings(bytes, index.classes);
  PutStrings(bytes, index.splits);
  PutStrings(bytes, index.ids);
  PutArray(bytes, index.labels);
  PutArray(bytes, index.sample_splits);
  PutStrings(bytes, index.target_names);
  PutArray(bytes, index.targets);
  PutArray(bytes, index.weights);
  PutArray(bytes, index.positions);
  PutArray(bytes, index.groups);
  PutArray(bytes, index.digests);
  return bytes;
}

absl::Status DecodeIndex(absl::string_view bytes, uint64_t count, CacheIndex& index) {
  absl::string_view manifest;
  bool good = GetBytes(bytes, manifest) && manifest.size() <= INT_MAX &&
              index.manifest.ParseFromArray(manifest.data(), static_cast<int>(manifest.size())) &&
              GetStrings(bytes, index.classes) && GetStrings(bytes, index.splits) &&
              GetStrings(bytes, index.ids) && GetArray(bytes, index.labels) &&
              GetArray(bytes, index.sample_splits) && GetStrings(bytes, index.target_names) &&
              GetArray(bytes, index.targets) && GetArray(bytes, index.weights) &&
              GetArray(bytes, index.positions) && GetArray(bytes, index.groups) &&
              GetArray(bytes, index.digests) && index.digests.size() == count &&
              index.ids.size() == count && index.labels.size() == count &&
              index.sample_splits.size() == count &&
              index.targets.size() == count * index.target_names.size() &&
              (index.weights.empty() || index.weights.size() == count) &&
              (index.positions.empty() || index.positions.size() == 2 * count) &&
              (index.groups.empty() || index.groups.size() == count);
  // Where there are no classes, all labels are 0.
  const auto labels = std::max<int32_t>(static_cast<int32_t>(index.classes.size()), 1);
  for (size_t i = 0; good && i < count; ++i) {
    good = index.labels[i] >= 0 && index.labels[i] < labels && index.sample_splits[i] >= -1 &&
           index.sample_splits[i] < static_cast<int32_t>(index.splits.size());
  }
  return good ? absl::OkStatus() : absl::DataLossError("the index of a cache file is damaged");
}

}  // namespace skytrain::data
