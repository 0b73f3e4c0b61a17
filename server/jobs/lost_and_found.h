#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/jobs/attempt_supervisor.h"

namespace skytrain {

// Sets a job aside that cannot be read, so that the others go on and nothing of it is lost:
//   1. Its rows are written to lost+found/<uid>/ (Options::lost_and_found_dir), as files that
//   protoc
//      can decode: why.txt (what is wrong, uid, id, owner, state), snapshot.binpb and spec.binpb
//      (skytrain.v1.Job), attempt-N.binpb and rank_result-N.binpb, events.binpb
//      (skytrain.v1.WatchEventsResponse: the batches one after the other).
//   2. The folders of its attempts move there.
//   3. Its rows are removed, in one transaction. Its request id stays, so that a client that
//   repeats
//      its submit learns that the job is gone instead of making a second one.
// A daemon that dies in between begins again at 1. FAILED_PRECONDITION while processes of the job
// are left: they are asked to stop, and the job is set aside by a later start.
absl::Status SetAside(const AttemptEnvironment& environment, const std::string& uid,
                      const absl::Status& why);

}  // namespace skytrain
