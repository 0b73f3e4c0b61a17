#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::data {

// JPEG (libjpeg-turbo), PNG (libpng) and binary PNM to RGB, 8 bits a channel. Untrusted input:
// sides are at most kLargestSide, and a file whose pixels are out of all proportion to its bytes is
// refused. Functions may be called from many threads. Errors are INVALID_ARGUMENT with a short
// reason
// ("premature end of JPEG file"), without the file's name.

constexpr int kLargestSide = 16384;

struct ImageSize {
  int width = 0, height = 0;
};

// From the header alone; also tells a JPEG that lacks its end mark.
absl::StatusOr<ImageSize> ReadImageSize(absl::string_view bytes);

// How images are cut and scaled into the cache.
struct View {
  double center_crop = 1.0;  // Fraction of each side.
  int size = 0;              // Side of the model's input.
  double margin = 1.0;       // Side of the canvas over `size`.
};
// With the margin that the augmentation of `data` asks for.
View ViewOf(const v1::Data& data);

// Side of the square that is cached for each image. Its centre `size` x `size` shows what
// `center_crop` keeps, as without a margin; around it lies what augmentation may bring into view.
// The margin ends where the image does. Larger than `size` by an even number.
int CanvasSize(const View& view);

// Decodes, cuts the canvas out, and resamples to uint8 [canvas, canvas, 3]. Of an image that is not
// square the largest central square of the cut is taken: galaxies keep their shape. Returns the
// size that the whole image has.
absl::StatusOr<ImageSize> DecodeToCanvas(absl::string_view bytes, const View& view, uint8_t* out);

// A whole image: uint8 [height, width, 3].
struct Pixels {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

// Decoders of one format each. `bytes` begins with the format's magic.
absl::StatusOr<ImageSize> ReadJpegSize(absl::string_view bytes);
absl::StatusOr<ImageSize> ReadPngSize(absl::string_view bytes);
absl::StatusOr<ImageSize> ReadPnmSize(absl::string_view bytes);
// Decodes at the smallest of the scales 1, 1/2, 1/4, 1/8 (in the DCT domain) at which the shorter
// side is still at least `shortest_side`.
absl::Status DecodeJpeg(absl::string_view bytes, double shortest_side, Pixels& pixels);
absl::Status DecodePng(absl::string_view bytes, Pixels& pixels);
absl::Status DecodePnm(absl::string_view bytes, Pixels& pixels);
// Of the sides that a header claims for a file of `file_bytes`.
absl::Status CheckImageSize(int64_t width, int64_t height, size_t file_bytes);

}  // namespace skytrain::data
