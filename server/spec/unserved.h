#pragma once

#include "google/protobuf/message.h"
#include "server/spec/violations.h"

namespace skytrain::spec {

// Adds a violation for each field of `message` (an Experiment or an Evaluation) that is set and
// that this build knows by name only.
void RefuseUnserved(const google::protobuf::Message& message, Violations& violations);

}  // namespace skytrain::spec
