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
//   decals_dr12 the same paper, GZD-1 and GZD-2: other answers, "-dr12"
//   gz_hubble   Willett et al. 2017, arXiv:1610.03068; "-hubble". Not its questions on how clumps
//               lie
//   gz_candels  Simmons et al. 2017, arXiv:1610.03070; "-candels". Neither those
//   gz_cosmic_dawn, gz_jwst   GZD-5's with clumps and problems; "-cd", "-jwst"
//   gz_rings    "ring_yes", "ring_no"
//   gz_evo      decals_dr12, _dr5, _dr8, gz2, gz_candels, gz_hubble and gz_cosmic_dawn in this
//               order, side by side, 251 columns; questions are named with the suffix. A galaxy's
//               cells are empty but for the campaigns that asked about it: vote_counts.missing must
//               be zero_votes
// An empty tree for another name.
v1::DecisionTree BuiltinTree(const std::string& name);

}  // namespace skytrain::spec
