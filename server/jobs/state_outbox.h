#pragma once

#include <functional>
#include <vector>

#include "server/store/hook_rows.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// How state changes reach those who are to be told (server/hooks): by rows that are stored in the
// very transaction of the change, so that neither is there without the other. All functions are
// called on threads that must not wait, with a job's lock held; all or none are set.
struct StateOutbox {
  // What `change` (a StateChange to another state, with its seq, attempt and time) leaves to be
  // told; `job` is the job after it. Empty: nobody is interested.
  std::function<std::vector<HookRow>(const v1::Job& job, const v1::Event& change)> rows;
  // Rows are committed.
  std::function<void()> stored;
  // The change is committed, and these rows are not: with them it could not be (a full disk).
  std::function<void(const std::vector<HookRow>& rows)> lost;
};

}  // namespace skytrain
