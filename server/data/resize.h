#pragma once

#include <cstdint>

namespace skytrain::data {

// A rectangle of an image in pixels; edges may lie between pixels.
struct Box {
  double x = 0, y = 0, width = 0, height = 0;
};

// Resamples `box` of an RGB image (uint8 [height, width, 3], rows without gaps) to uint8
// [side, side, 3] with a Lanczos filter of three lobes, widened by the reduction so that nothing
// aliases (as Pillow's LANCZOS).
void Resize(const uint8_t* source, int width, int height, const Box& box, int side, uint8_t* out);

}  // namespace skytrain::data
