#pragma once

#include "skytrain/v1/job.pb.h"

namespace skytrain {

// No process of the job is left, and nothing of it will change any more.
bool IsTerminal(v1::JobState state);

}  // namespace skytrain
