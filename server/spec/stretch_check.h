#pragma once

#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// What is wrong with `stretch` whatever the data set, under "data.image.stretch".
void CheckStretch(const v1::Stretch& stretch, Violations& violations);

}  // namespace skytrain::spec
