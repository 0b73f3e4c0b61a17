#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::data {

// JPEG (libjpeg-turbo), PNG (libpng), FITS (cfitsio) and binary PNM to RGB, 8 bits a channel.
// Untrusted input: sides are at most kLargestSide, and a file whose pixels are out of all
// proportion to its bytes is refused. Functions may be called from many threads. Errors are
// INVALID_ARGUMENT with a short reason
// ("premature end of JPEG file"), without the file's name.

constexpr int kLargestSide = 16384;

struct ImageSize {
  int width = 0, height = 0;
  int64_t undefined = 0;  // Pixels that are no finite number. Of FITS, once it is decoded.
};

// From the header alone; also tells a JPEG that lacks its end mark.
absl::StatusOr<ImageSize> ReadImageSize(absl::string_view bytes);

// How fluxes become 8-bit colours; see the proto and stretch.h.
struct Stretch {
  enum class Kind { kAsinh, kLinear };
  Kind kind = Kind::kAsinh;
  double softening = 8;             // kAsinh: Q.
  double width = 0;                 // kAsinh: the flux `stretch`; 0: from the image's noise.
  std::optional<double> low, high;  // kLinear.
  std::vector<std::string> bands;   // Red, green, blue.
};

// How images are cut and scaled into the cache.
struct View {
  double center_crop = 1.0;  // Fraction of each side.
  int size = 0;              // Side of the model's input.
  double margin = 1.0;       // Side of the canvas over `size`.
  Stretch stretch = {};      // Of FITS.
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
  int64_t undefined = 0;  // See ImageSize.
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
// FITS: its first plain image of 2 or 3 dimensions, or the files of JoinBands.
bool IsFits(absl::string_view bytes);
absl::StatusOr<ImageSize> ReadFitsSize(absl::string_view bytes);
absl::Status DecodeFits(absl::string_view bytes, const Stretch& stretch, Pixels& pixels);
// One to three FITS files, each a plane, in the order red, green, blue, as one image.
std::string JoinBands(const std::vector<std::string>& files);
// RGB, 8 bits a channel, of `rgb` uint8 [height, width, 3]. RESOURCE_EXHAUSTED.
absl::StatusOr<std::string> EncodePng(int width, int height, const uint8_t* rgb);
// Of the sides that a header claims for a file of `file_bytes`.
absl::Status CheckImageSize(int64_t width, int64_t height, size_t file_bytes);

}  // namespace skytrain::data
