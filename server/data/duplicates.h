#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/data/dataset.h"

namespace skytrain::data {

// Images of validation and test that are also among those that train: measured on them, a model is
// praised for what it learnt by heart.
struct Leaks {
  int64_t count = 0;  // Images of validation and test.
  // The first twenty: "b (test) is a (train)", and where they are of different classes "b (test,
  // spiral) is a (train, elliptical)".
  std::vector<std::string> names;
};

// `digests`: Hash64 of each sample's canvas. Where two are the same, the pixels are compared, so
// that what is reported is so.
Leaks FindLeaks(const Dataset& set, const std::vector<uint64_t>& digests);

}  // namespace skytrain::data
