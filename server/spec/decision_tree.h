#pragma once

#include <string>
#include <vector>

#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// Checks `tree` and puts its questions in order. Mistakes go to `violations` under `field`, all of
// them: answers of no question, answers that come twice, questions that lead to themselves.
TreePlan PlanTree(const std::string& field, const v1::DecisionTree& tree, Violations& violations);

// The trees that need not be written down, and the table's columns of their answers:
//   kaggle37    the Galaxy Challenge's 37 columns "Class1.1" … "Class11.6"
//   gz2         Willett et al. 2013, arXiv:1308.3496; "smooth-or-featured-gz2_smooth" as in
//               Zoobot's catalog
//   decals      Walmsley et al. 2022, arXiv:2102.08414, GZD-5; "smooth-or-featured_smooth" as
//               published
//   decals_dr5, decals_dr8   the same, "smooth-or-featured-dr5_smooth" as in Zoobot's catalogs
// An empty tree for another name.
v1::DecisionTree BuiltinTree(const std::string& name);

}  // namespace skytrain::spec
