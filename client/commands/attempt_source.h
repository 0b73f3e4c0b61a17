#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "client/api/interrupt.h"
#include "client/api/watch.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::client {

// Reads the attempt folder `dir` with no server: hands its events to `observer`, numbered in the
// order in which they were read, and gives the job as far as the folder tells it. With `follow` it
// goes on until the attempt is over. NOT_FOUND when there is no attempt there.
absl::StatusOr<v1::Job> ReadAttempt(Interrupt& interrupt, const std::string& dir, bool follow,
                                    WatchObserver& observer);

}  // namespace skytrain::client
