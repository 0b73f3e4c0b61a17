#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "server/store/hook_rows.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// "UID/SEQ/HOOK": the same at every try, so that a receiver can tell that it has had it.
std::string DeliveryId(absl::string_view job_uid, int64_t seq, absl::string_view hook);

// What `hook` is told of the StateChange `change`, after which the job is `job`: the row to store.
// Its payload is one JSON object, whose names and forms are those of `skytrain show --output json`:
//
//   {"id": "…/7/notify", "hook": "notify", "seq": 7, "time": "…Z", "from": "RUNNING",
//    "to": "FAILED", "message": "…", "attempt": 1, "attempt_end": "NON_FINITE_LOSS",
//    "job": {"name", "uid", "owner", "labels", "state", "create_time", "start_time", "end_time",
//            "termination": {"reason", "message", "cancelled"}, "progress": {"epoch", "epochs",
//            "step"}, "metrics": {"val/accuracy": 0.9}, "model": "models/M/versions/1"}}
//
// What is not known is left out: `from` of a new job, `attempt` before the first one. A payload
// that would have more than 32 KiB has "truncated": true, no labels and metrics, and cut messages.
HookRow MakeHookRow(absl::string_view hook, const v1::Job& job, const v1::Event& change);

}  // namespace skytrain
