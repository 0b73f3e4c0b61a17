#include "server/data/image.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/resize.h"
#include "server/spec/augment_plan.h"

namespace skytrain::data {
namespace {

bool IsJpeg(absl::string_view bytes) { return absl::StartsWith(bytes, "\xff\xd8\xff"); }
bool IsPng(absl::string_view bytes) { return absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n"); }
bool IsPnm(absl::string_view bytes) {
  return absl::StartsWith(bytes, "P5\n") || absl::StartsWith(bytes, "P6\n");
}

absl::Status NotAnImage(absl::string_view bytes) {
  if (bytes.empty()) return absl::InvalidArgumentError("empty file");
  if (absl::StartsWith(bytes, "GIF8")) return absl::InvalidArgumentError("GIF is not supported");
  if (absl::StartsWith(bytes, "II*") || absl::StartsWith(bytes, "MM")) {
    return absl::InvalidArgumentError("TIFF is not supported");
  }
  if (absl::StartsWith(bytes, "RIFF")) return absl::InvalidArgumentError("WebP is not supported");
  return absl::InvalidArgumentError("neither JPEG nor PNG nor FITS");
}

}  // namespace

absl::Status CheckImageSize(int64_t width, int64_t height, size_t file_bytes) {
  if (width < 1 || height < 1 || width > kLargestSide || height > kLargestSide) {
    return absl::InvalidArgumentError(absl::StrCat("its sides are ", width, "x", height,
                                                   " pixels, allowed are 1 to ", kLargestSide));
  }
  // A blank JPEG reaches about 100 pixels a byte, a blank PNG more; an image of the sky never does.
  constexpr int64_t kHarmlessPixels = int64_t{1} << 24, kPixelsPerByte = 500;
  if (width * height > kHarmlessPixels &&
      width * height / kPixelsPerByte > static_cast<int64_t>(file_bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("claims ", width, "x", height, " pixels in ", file_bytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageSize> ReadImageSize(absl::string_view bytes) {
  if (IsJpeg(bytes)) return ReadJpegSize(bytes);
  if (IsPng(bytes)) return ReadPngSize(bytes);
  if (IsPnm(bytes)) return ReadPnmSize(bytes);
  if (IsFits(bytes)) return ReadFitsSize(bytes);
  return NotAnImage(bytes);
}

View ViewOf(const v1::Data& data) {
  const v1::ImageView& image = data.image();
  spec::Violations checked_before;
  View view;
  if (image.center_crop() != 0) view.center_crop = image.center_crop();
  view.size = image.size();
  view.margin = spec::CanvasMargin(spec::PlanAugment(data, checked_before));
  const v1::Stretch& said = image.stretch();
  if (said.has_linear()) {
    view.stretch.kind = Stretch::Kind::kLinear;
    if (said.linear().has_low()) view.stretch.low = said.linear().low();
    if (said.linear().has_high()) view.stretch.high = said.linear().high();
  }
  if (said.asinh().softening() > 0) view.stretch.softening = said.asinh().softening();
  view.stretch.width = said.asinh().stretch();
  view.stretch.bands.assign(said.bands().begin(), said.bands().end());
  return view;
}

int CanvasSize(const View& view) {
  return spec::CanvasSide(view.size, view.center_crop, view.margin);
}

absl::StatusOr<ImageSize> DecodeToCanvas(absl::string_view bytes, const View& view, uint8_t* out) {
  thread_local Pixels pixels;
  ASSIGN_OR_RETURN(ImageSize whole, ReadImageSize(bytes));
  const int canvas = CanvasSize(view);
  if (IsJpeg(bytes)) {
    RETURN_IF_ERROR(DecodeJpeg(bytes, view.size / view.center_crop, pixels));
  } else if (IsPng(bytes)) {
    RETURN_IF_ERROR(DecodePng(bytes, pixels));
  } else if (IsFits(bytes)) {
    RETURN_IF_ERROR(DecodeFits(bytes, view.stretch, pixels));
    whole.undefined = pixels.undefined;
  } else {
    RETURN_IF_ERROR(DecodePnm(bytes, pixels));
  }
  // In pixels of the whole image, at least one; then in those of the scaled one.
  const double crop = view.center_crop * canvas / view.size;
  const double side = std::max(1.0, crop * std::min(whole.width, whole.height));
  const double scale_x = static_cast<double>(pixels.width) / whole.width;
  const double scale_y = static_cast<double>(pixels.height) / whole.height;
  const Box box{(whole.width - side) / 2 * scale_x, (whole.height - side) / 2 * scale_y,
                side * scale_x, side * scale_y};
  Resize(pixels.rgb.data(), pixels.width, pixels.height, box, canvas, out);
  // One huge image must not pin its memory for the rest of the run.
  if (pixels.rgb.capacity() > (size_t{64} << 20)) pixels.rgb = {};
  return whole;
}

}  // namespace skytrain::data
