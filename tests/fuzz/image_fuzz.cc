// JPEG and PNG: the header, then all of it.
#include "server/data/image.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain::data;
  const absl::string_view bytes = skytrain::fuzz::View(data, size);
  const auto header = ReadImageSize(bytes);
  if (!header.ok()) return 0;
  skytrain::fuzz::Check(header->width >= 1 && header->width <= kLargestSide);
  skytrain::fuzz::Check(header->height >= 1 && header->height <= kLargestSide);
  // Larger ones cost time, not more code.
  if (int64_t{header->width} * header->height > 1 << 20) return 0;
  View view;
  view.size = 16;
  view.center_crop = 0.7;
  uint8_t canvas[16 * 16 * 3];
  (void)DecodeToCanvas(bytes, view, canvas);
  return 0;
}
