#pragma once

#include "absl/strings/string_view.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// What a serialized v1.Event is: the kind of its oneof. KIND_NOT_SET for bytes that are no event,
// or that a client could not read: it would be stuck at them for ever.
v1::Event::KindCase KindOf(absl::string_view event);

// Folds an event of a worker into the job: the newest value of each metric (at most 64 names of at
// most 256 bytes), the newest step, where the run is, and the files that it wrote (at most 16).
// Decodes only what it needs: of a metric batch the newest point of each name, walking the columns
// from their end.
void FoldEvent(absl::string_view event, v1::Job& job);

}  // namespace skytrain
