#pragma once

#include <string>
#include <vector>

#include "server/spec/plan.h"
#include "server/spec/violations.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::spec {

// `data.augment`, checked. Mistakes go to `violations`.
AugmentPlan PlanAugment(const v1::Data& data, Violations& violations);

// The classes of data.augment.flip_swaps_classes against those of the data set, after
// data.classes was applied. Mistakes go to `violations`.
void CheckFlippedClasses(const AugmentPlan& augment, const std::vector<std::string>& classes,
                         Violations& violations);

// Side of the canvas over that of the model's input, so that turns, shifts and scales smaller than
// 1 find pixels instead of an edge: 1, 1.5 or 2, few values, so that jobs share decoded images.
// What even 2 does not hold is mirrored.
double CanvasMargin(const AugmentPlan& augment);

// Side of the square that is cached for each image that a model sees as `size` x `size` of the
// central `center_crop`. The margin ends where the image does. Larger than `size` by an even
// number.
int CanvasSide(int size, double center_crop, double margin);

}  // namespace skytrain::spec
