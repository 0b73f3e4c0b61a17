// FITS images by cfitsio: a plane, a cube of bands, or a file for each band.
#include <fitsio.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/image.h"
#include "server/data/stretch.h"

namespace skytrain::data {
namespace {

constexpr char kBandsMagic[] = "SKYBANDS\n";
constexpr long kMostPlanes = 64;  // NOLINT: cfitsio's type.

// One file in memory. cfitsio is built to be called from many threads, each with its own file.
class FitsFile {
 public:
  ~FitsFile() {
    int status = 0;
    if (file_ != nullptr) fits_close_file(file_, &status);
    fits_clear_errmsg();
  }

  // Goes to the first part that is an image.
  absl::Status Open(absl::string_view bytes) {
    bytes_ = bytes;
    data_ = const_cast<char*>(bytes.data());  // Only read: it is opened so.
    size_ = bytes.size();
    int status = 0;
    if (fits_open_memfile(&file_, "image.fits", READONLY, &data_, &size_, 0, nullptr, &status)) {
      file_ = nullptr;
      return Wrong("is no FITS file", status);
    }
    int parts = 0;
    if (fits_get_num_hdus(file_, &parts, &status)) return Wrong("has a damaged header", status);
    for (int part = 1; part <= parts; ++part) {
      int kind = 0;
      if (fits_movabs_hdu(file_, part, &kind, &status)) return Wrong("is damaged", status);
      // Tables that hold a compressed image are passed over: their decoders are not for files that
      // nobody vouches for.
      if (kind != IMAGE_HDU) continue;
      int dimensions = 0;
      if (fits_get_img_dim(file_, &dimensions, &status)) return Wrong("is damaged", status);
      if (dimensions >= 2) return ReadSides(dimensions);
    }
    return absl::InvalidArgumentError(
        "holds no image in FITS's plain form (for .fz, run funpack first)");
  }

  ImageSize size() const { return {static_cast<int>(width_), static_cast<int>(height_)}; }
  int planes() const { return static_cast<int>(planes_); }

  // Row by row from the top, as images are shown: FITS begins at the bottom.
  absl::StatusOr<FluxPlane> Read(int plane) const {
    FluxPlane flux(static_cast<size_t>(width_ * height_));
    float undefined = std::numeric_limits<float>::quiet_NaN();
    long first[3] = {1, 1, plane + 1};  // NOLINT: cfitsio's type.
    int any = 0, status = 0;
    if (fits_read_pix(file_, TFLOAT, first, width_ * height_, &undefined, flux.data(), &any,
                      &status)) {
      return Wrong("is cut short or damaged", status);
    }
    for (long top = 0; top < height_ / 2; ++top) {  // NOLINT: cfitsio's type.
      std::swap_ranges(flux.begin() + top * width_, flux.begin() + (top + 1) * width_,
                       flux.begin() + (height_ - 1 - top) * width_);
    }
    return flux;
  }

 private:
  static absl::Status Wrong(absl::string_view what, int status) {
    char text[FLEN_STATUS];
    fits_get_errstatus(status, text);
    return absl::InvalidArgumentError(absl::StrCat(what, " (", text, ")"));
  }

  absl::Status ReadSides(int dimensions) {
    constexpr int kMostDimensions = 4;
    long sides[kMostDimensions] = {1, 1, 1, 1};  // NOLINT: cfitsio's type.
    int type = 0, status = 0;
    if (dimensions > kMostDimensions ||
        fits_get_img_param(file_, kMostDimensions, &type, &dimensions, sides, &status)) {
      return absl::InvalidArgumentError("has more than 4 dimensions, or a damaged header");
    }
    if (sides[3] != 1) return absl::InvalidArgumentError("has 4 dimensions");
    width_ = sides[0];
    height_ = sides[1];
    planes_ = sides[2];
    RETURN_IF_ERROR(CheckImageSize(width_, height_, bytes_.size()));
    if (planes_ < 1 || planes_ > kMostPlanes) {
      return absl::InvalidArgumentError(
          absl::StrCat("has ", planes_, " planes, allowed are 1 to ", kMostPlanes));
    }
    // Nothing is compressed: what the header claims is there, or the file is cut short.
    LONGLONG header = 0, begin = 0, end = 0;
    if (fits_get_hduaddrll(file_, &header, &begin, &end, &status)) {
      return Wrong("has a damaged header", status);
    }
    const uint64_t claimed = static_cast<uint64_t>(width_) * static_cast<uint64_t>(height_) *
                             static_cast<uint64_t>(planes_) *
                             static_cast<uint64_t>(std::abs(type) / 8);
    if (begin < 0 || static_cast<uint64_t>(begin) + claimed > bytes_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("claims ", width_, "x", height_, "x", planes_,
                                                     " pixels, but is cut short at ", bytes_.size(),
                                                     " bytes"));
    }
    return absl::OkStatus();
  }

  absl::string_view bytes_;
  void* data_ = nullptr;
  size_t size_ = 0;
  fitsfile* file_ = nullptr;
  long width_ = 0, height_ = 0, planes_ = 0;  // NOLINT: cfitsio's type.
};

// The files of JoinBands.
absl::StatusOr<std::vector<absl::string_view>> SplitBands(absl::string_view bytes) {
  std::vector<absl::string_view> files;
  bytes.remove_prefix(sizeof(kBandsMagic) - 1);
  while (!bytes.empty()) {
    uint64_t size;
    if (bytes.size() < sizeof(size)) return absl::InvalidArgumentError("is damaged");
    std::memcpy(&size, bytes.data(), sizeof(size));
    bytes.remove_prefix(sizeof(size));
    if (size > bytes.size()) return absl::InvalidArgumentError("is damaged");
    files.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  if (files.empty() || files.size() > 3) return absl::InvalidArgumentError("is damaged");
  return files;
}

// The planes of a cube that become red, green and blue; one: grey; two: red and blue.
absl::StatusOr<std::vector<int>> PlanesOf(int planes, const std::vector<std::string>& bands) {
  std::vector<int> chosen;
  for (const std::string& band : bands) {
    int plane;
    if (!absl::SimpleAtoi(band, &plane) || plane < 0 || plane >= planes) {
      return absl::InvalidArgumentError(
          absl::StrCat("has no plane \"", band, "\"; it has planes 0 to ", planes - 1));
    }
    chosen.push_back(plane);
  }
  if (!chosen.empty()) return chosen;
  if (planes == 1) return std::vector<int>{0};
  if (planes == 2) return std::vector<int>{1, 0};
  return std::vector<int>{planes - 1, planes / 2, 0};
}

}  // namespace

bool IsFits(absl::string_view bytes) {
  return absl::StartsWith(bytes, "SIMPLE  =") || absl::StartsWith(bytes, kBandsMagic);
}

std::string JoinBands(const std::vector<std::string>& files) {
  std::string joined = kBandsMagic;
  for (const std::string& file : files) {
    const uint64_t size = file.size();
    joined.append(reinterpret_cast<const char*>(&size), sizeof(size));
    joined.append(file);
  }
  return joined;
}

absl::StatusOr<ImageSize> ReadFitsSize(absl::string_view bytes) {
  std::vector<absl::string_view> files{bytes};
  if (absl::StartsWith(bytes, kBandsMagic)) {
    ASSIGN_OR_RETURN(files, SplitBands(bytes));
  }
  ImageSize size;
  for (const absl::string_view& of_band : files) {
    FitsFile file;
    RETURN_IF_ERROR(file.Open(of_band));
    if (&of_band != files.data() &&
        (file.size().width != size.width || file.size().height != size.height)) {
      return absl::InvalidArgumentError("its bands differ in size");
    }
    size = file.size();
  }
  return size;
}

absl::Status DecodeFits(absl::string_view bytes, const Stretch& stretch, Pixels& pixels) {
  std::vector<FluxPlane> bands;
  if (absl::StartsWith(bytes, kBandsMagic)) {
    ASSIGN_OR_RETURN(const auto files, SplitBands(bytes));
    for (const absl::string_view of_band : files) {
      FitsFile file;
      RETURN_IF_ERROR(file.Open(of_band));
      if (file.planes() != 1) return absl::InvalidArgumentError("a band's file holds a cube");
      pixels.width = file.size().width;
      pixels.height = file.size().height;
      ASSIGN_OR_RETURN(bands.emplace_back(), file.Read(0));
      if (bands.back().size() != bands.front().size()) {
        return absl::InvalidArgumentError("its bands differ in size");
      }
    }
  } else {
    FitsFile file;
    RETURN_IF_ERROR(file.Open(bytes));
    pixels.width = file.size().width;
    pixels.height = file.size().height;
    ASSIGN_OR_RETURN(const std::vector<int> planes, PlanesOf(file.planes(), stretch.bands));
    for (const int plane : planes) {
      ASSIGN_OR_RETURN(bands.emplace_back(), file.Read(plane));
    }
  }
  return ApplyStretch(stretch, std::move(bands), pixels);
}

}  // namespace skytrain::data
