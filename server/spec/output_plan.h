#pragma once

#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// What of an Output is written where it does not say.
struct OutputDefaults {
  OutputPlan::Format predictions = OutputPlan::Format::kNone;
  int mistakes = 0;
};

// `images`: samples are images. Mistakes go to `v`.
OutputPlan PlanOutput(const v1::Output& output, const OutputDefaults& defaults, bool images,
                      Violations& v);

}  // namespace skytrain::spec
