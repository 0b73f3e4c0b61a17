#pragma once

#include <vector>

#include "server/data/dataset.h"
#include "server/spec/plan.h"

namespace skytrain::training {

// (x - mean) / deviation for each channel of an image (pixels scaled to [0, 1]) or each column of a
// table. Part of the model's card: whoever uses the model has to do the same.
struct Normalisation {
  std::vector<double> mean;
  std::vector<double> deviation;  // Never 0.
};

// For images, whatever the data: ImageNet's constants, or, where not `imagenet`, 0 and 1.
Normalisation FixedNormalisation(bool imagenet);

// From the train split of `dataset`, ImageNet's constants, or 0 and 1, as `view` says. Tables are
// always standardised by their train split. Exact: images are counted in histograms of bytes.
absl::StatusOr<Normalisation> MakeNormalisation(const spec::ViewPlan& view,
                                                const data::Dataset& dataset);

}  // namespace skytrain::training
