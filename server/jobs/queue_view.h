#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/jobs/job_manager.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/snapshot.h"
#include "skytrain/v1/job.pb.h"
#include "skytrain/v1/node_service.pb.h"

namespace skytrain {

// The queue as the last pass of the scheduler left it. Immutable, so that readers share it without
// a lock.
class QueueView {
 public:
  // The names of jobs in reasons are those that `caller` may see.
  struct Reader {
    const Caller& caller;
    bool sees_all = false;

    bool Sees(absl::string_view owner) const {
      return sees_all || caller.admin || owner == caller.owner;
    }
  };

  QueueView() = default;
  QueueView(Snapshot snapshot, std::vector<Wait> waits);

  // Sets queue_position, queue_reason and expected_start_time. False: the job is not in here.
  bool Describe(const Reader& reader, v1::Job& job) const;
  // The first `limit` jobs in the order of service.
  v1::GetQueueResponse List(const Reader& reader, int limit) const;
  // Null when the job is not in here.
  const Wait* Find(absl::string_view uid) const;

 private:
  std::string Reason(const Reader& reader, const Wait& wait) const;

  Snapshot snapshot_;
  std::vector<Wait> waits_;                             // In the order of service.
  absl::flat_hash_map<absl::string_view, int> by_uid_;  // Indices into waits_.
};

}  // namespace skytrain
