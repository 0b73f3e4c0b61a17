#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/snapshot.h"

namespace skytrain {

// What a job is called before the one who reads: "ben's dd-width-sweep", "another user's job".
using NameJob = absl::FunctionRef<std::string(absl::string_view owner, absl::string_view name)>;

// Why the job waits, for people: "waits for 4 GPUs (2 free; ben's dd-width-sweep ends about
// 14:20)". Times are written in `zone`, with the day when it is not today. Pure.
std::string Explain(const Snapshot& snapshot, const Wait& wait, NameJob name_job,
                    absl::TimeZone zone);

// "4 GPUs", "1 CPU slot", "2 GPUs and 1 CPU slot".
std::string DevicesInWords(const DeviceCounts& counts);

}  // namespace skytrain
