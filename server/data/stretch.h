#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/data/image.h"

namespace skytrain::data {

// One band: float32 [height, width], in the file's own units. NaN: not known.
using FluxPlane = std::vector<float>;

// Fluxes to 8-bit red, green and blue. `bands`: one (grey), two (red and blue; green is their mean)
// or three, all of the size that `pixels` has. INVALID_ARGUMENT when no pixel of a band is a finite
// number.
//
// asinh: each band less its median; pixels that are no finite number are then 0. With I the mean of
// the three, a colour c becomes c * 25.5 / asinh(0.1 Q) * asinh(Q I / stretch) / I, and where one
// of the three passes 255 all are scaled down together (Lupton et al. 2004, as astropy's
// make_lupton_rgb has it). Default of `stretch`: ten times the deviation of I's noise, 1.4826 times
// its median absolute value.
// linear: from `low` to `high` (default: the 0.5 % and 99.5 % quantiles of all bands' finite
// pixels); pixels that are no finite number become `low`.
absl::Status ApplyStretch(const Stretch& stretch, std::vector<FluxPlane> bands, Pixels& pixels);

}  // namespace skytrain::data
