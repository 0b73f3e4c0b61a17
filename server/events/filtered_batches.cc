#include "server/events/filtered_batches.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

std::string KeyOf(absl::string_view job_uid, int64_t first_seq, const EventFilter& filter,
                  const StrideState& state) {
  std::string key = absl::StrCat(job_uid, ";", first_seq, ";", filter.Key());
  for (const auto& [name, stretch] : state) {
    absl::StrAppend(&key, ";", name.size(), ":", name, "=", stretch);
  }
  return key;
}

int64_t BytesOf(const std::string& key, const FilteredBatch& batch) {
  int64_t bytes = static_cast<int64_t>(2 * key.size() + batch.bytes.size());
  for (const auto& [name, stretch] : batch.stride_state) {
    bytes += static_cast<int64_t>(name.size()) + 64;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const FilteredBatch>> FilteredBatches::Get(
    absl::string_view job_uid, const EventBatch& batch, const EventFilter& filter,
    const StrideState& stride_state) {
  const std::string key = KeyOf(job_uid, batch.first_seq, filter, stride_state);
  {
    MutexLock lock(mu_);
    if (const auto* found = batches_.Find(key)) return *found;
  }
  // Two may do this at once; the second result replaces an equal one.
  ASSIGN_OR_RETURN(FilteredBatch filtered,
                   FilterBatch(batch, batch.first_seq - 1, filter, stride_state));
  auto shared = std::make_shared<const FilteredBatch>(std::move(filtered));
  MutexLock lock(mu_);
  batches_.Put(key, shared, BytesOf(key, *shared));
  return shared;
}

}  // namespace skytrain
