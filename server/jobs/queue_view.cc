#include "server/jobs/queue_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/page.h"
#include "common/timestamp.h"
#include "server/scheduling/explain.h"

namespace skytrain {

QueueView::QueueView(Snapshot snapshot, std::vector<Wait> waits)
    : snapshot_(std::move(snapshot)), waits_(std::move(waits)) {
  by_uid_.reserve(waits_.size());
  for (size_t i = 0; i < waits_.size(); ++i) {
    by_uid_[snapshot_.waiting[waits_[i].waiting]->uid] = static_cast<int>(i);
  }
}

const Wait* QueueView::Find(absl::string_view uid) const {
  const auto found = by_uid_.find(uid);
  return found == by_uid_.end() ? nullptr : &waits_[found->second];
}

std::string QueueView::Reason(const Reader& reader, const Wait& wait) const {
  const auto name_job = [&](absl::string_view owner, absl::string_view name) -> std::string {
    if (owner == reader.caller.owner) return std::string(name);
    return reader.Sees(owner) ? absl::StrCat(owner, "'s ", name) : "another user's job";
  };
  return Explain(snapshot_, wait, name_job, absl::LocalTimeZone());
}

bool QueueView::Describe(const Reader& reader, v1::Job& job) const {
  const Wait* const wait = Find(job.uid());
  if (wait == nullptr) return false;
  job.set_queue_position(static_cast<int>(wait - waits_.data()) + 1);
  job.set_queue_reason(Reason(reader, *wait));
  if (wait->expected_start < absl::InfiniteFuture()) {
    *job.mutable_expected_start_time() = ToTimestamp(wait->expected_start);
  }
  return true;
}

v1::GetQueueResponse QueueView::List(const Reader& reader, int limit) const {
  v1::GetQueueResponse response;
  int64_t bytes = 0;
  for (const Wait& wait : waits_) {
    if (response.entries_size() == limit || bytes > kMaxPageBytes) break;
    const WaitingJob& job = *snapshot_.waiting[wait.waiting];
    v1::QueueEntry& entry = *response.add_entries();
    if (reader.Sees(job.owner)) {
      entry.set_job(absl::StrCat("jobs/", job.name));
      entry.set_owner(job.owner);
    }
    entry.set_position(response.entries_size());
    entry.set_priority(job.priority);
    entry.set_gpus(job.wanted[kGpu]);
    entry.set_cpus(job.wanted[kCpu]);
    entry.set_reason(Reason(reader, wait));
    if (wait.expected_start < absl::InfiniteFuture()) {
      *entry.mutable_expected_start_time() = ToTimestamp(wait.expected_start);
    }
    *entry.mutable_create_time() = ToTimestamp(job.created);
    bytes += static_cast<int64_t>(entry.ByteSizeLong());
  }
  return response;
}

}  // namespace skytrain
