#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace skytrain::data {

// Images side by side, for people: groups one below the other, each a title and its images in rows,
// each image with a caption below it.
struct SheetImage {
  std::vector<uint8_t> rgb;  // uint8 [side, side, 3].
  std::string caption;       // Cut to the image's width.
};
struct SheetGroup {
  std::string title;  // Cut to the sheet's width.
  std::vector<SheetImage> images;
};
struct Sheet {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  // uint8 [height, width, 3].
  int groups = 0;            // How many of those given are on it.
};

// A sheet of `columns` images of `side` in a row. Groups are left out at the end, then rows of the
// first, so that it has at most `max_pixels`; how many groups are missing is said on its last line.
// Characters that the font lacks (all but printable ASCII) become '?'.
Sheet DrawSheet(const std::vector<SheetGroup>& groups, int side, int columns, int64_t max_pixels);

}  // namespace skytrain::data
