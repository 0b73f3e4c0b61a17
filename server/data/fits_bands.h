#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/data/container.h"

namespace skytrain::data {

// FITS files of single bands, as one image for each object: "a/132_gband.fits" and
// "a/132_rband.fits" become the entry "a/132.fits" (see JoinBands). The band is the last word of
// the name: a word that ends in "band", or, where there are at least two of them, one of the
// letters u, g, r, i, z, y, Y, J, H, K. `bands`: those that become red, green and blue; empty: i,
// r, g as far as they are there, else all, at most three. An object that lacks one has that as its
// problem. Other entries stay as they are, also all of a container without such files. DATA_INVALID
// for a band of `bands` that no file has.
absl::StatusOr<std::unique_ptr<Container>> GroupBands(std::unique_ptr<Container> files,
                                                      const std::vector<std::string>& bands);

}  // namespace skytrain::data
