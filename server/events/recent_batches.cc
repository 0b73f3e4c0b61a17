#include "server/events/recent_batches.h"

namespace skytrain {
namespace {

// What an entry costs besides its events: small batches must not add up to much memory.
constexpr int64_t kOverhead = 256;

}  // namespace

void RecentBatches::Put(absl::string_view job_uid, std::shared_ptr<const EventBatch> batch) {
  const int64_t bytes = static_cast<int64_t>(batch->bytes.size()) + kOverhead;
  std::pair<std::string, int64_t> key(job_uid, batch->first_seq);
  MutexLock lock(mu_);
  ++counts_.puts;
  batches_.Put(key, Kept{std::string(job_uid), std::move(batch)}, bytes);
}

std::shared_ptr<const EventBatch> RecentBatches::Find(absl::string_view job_uid, int64_t seq) {
  const std::pair<std::string, int64_t> key(job_uid, seq);
  MutexLock lock(mu_);
  // It may be an older batch, or one of another job.
  const Kept* found = batches_.FindFloor(key);
  const bool hit = found != nullptr && found->job_uid == job_uid && found->batch->last_seq >= seq;
  ++(hit ? counts_.hits : counts_.misses);
  return hit ? found->batch : nullptr;
}

RecentBatches::Counts RecentBatches::counts() {
  MutexLock lock(mu_);
  return counts_;
}

}  // namespace skytrain
