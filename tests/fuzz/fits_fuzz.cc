// FITS: its header, then its fluxes through each stretch. Also files of several bands, joined.
#include "server/data/image.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  const absl::string_view bytes = fuzz::View(data, size);
  if (!data::IsFits(bytes)) return 0;
  const auto sides = data::ReadFitsSize(bytes);
  if (!sides.ok()) return 0;
  fuzz::Check(sides->width >= 1 && sides->width <= data::kLargestSide);
  fuzz::Check(sides->height >= 1 && sides->height <= data::kLargestSide);
  data::Pixels pixels;
  for (const auto kind : {data::Stretch::Kind::kAsinh, data::Stretch::Kind::kLinear}) {
    data::Stretch stretch;
    stretch.kind = kind;
    if (!data::DecodeFits(bytes, stretch, pixels).ok()) continue;
    fuzz::Check(pixels.width == sides->width && pixels.height == sides->height);
    fuzz::Check(pixels.rgb.size() == size_t{3} * pixels.width * pixels.height);
  }
  return 0;
}
