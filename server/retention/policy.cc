#include "server/retention/policy.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace skytrain {
namespace {

constexpr size_t kUidSize = 26;

}  // namespace

bool IsOlder(absl::Time since, absl::Duration keep, absl::Time now) {
  return keep != absl::InfiniteDuration() && now - since > keep;
}

std::vector<CheckpointFolder> SurplusCheckpoints(std::vector<CheckpointFolder> checkpoints,
                                                 int keep) {
  std::sort(checkpoints.begin(), checkpoints.end(), [](const auto& a, const auto& b) {
    return std::tie(b.attempt, b.step) < std::tie(a.attempt, a.step);
  });
  std::vector<CheckpointFolder> surplus;
  for (size_t i = static_cast<size_t>(std::max(keep, 0)); i < checkpoints.size(); ++i) {
    if (!checkpoints[i].best) surplus.push_back(std::move(checkpoints[i]));
  }
  return surplus;
}

std::vector<CacheEntry> SurplusCache(std::vector<CacheEntry> entries, int64_t max_bytes) {
  if (max_bytes <= 0) return {};
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.last_use > b.last_use; });
  std::vector<CacheEntry> surplus;
  int64_t bytes = 0;
  for (CacheEntry& entry : entries) {
    bytes += entry.bytes;
    if (bytes > max_bytes) surplus.push_back(std::move(entry));
  }
  return surplus;
}

std::string UidOfAttemptFolder(const std::string& name) {
  int number = 0;
  if (name.size() < kUidSize + 2 || name[kUidSize] != '-' ||
      !absl::SimpleAtoi(name.substr(kUidSize + 1), &number) || number < 1) {
    return "";
  }
  std::string uid = name.substr(0, kUidSize);
  return std::all_of(uid.begin(), uid.end(), absl::ascii_isalnum) ? uid : "";
}

}  // namespace skytrain
