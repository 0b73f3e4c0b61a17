#include <turbojpeg.h>

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/image.h"

namespace skytrain::data {
namespace {

struct DestroyHandle {
  void operator()(void* handle) const { tjDestroy(handle); }
};

// A decompressor for each thread: making one costs as much as a small image.
class ThreadDecoder {
 public:
  static ThreadDecoder& Get() {
    thread_local ThreadDecoder decoder;
    if (!decoder.handle_) decoder.handle_.reset(tjInitDecompress());
    return decoder;
  }
  tjhandle handle() { return handle_.get(); }  // Null: out of memory.

  // The last error. A decompressor that failed within an image would misread the next one, so it is
  // thrown away.
  absl::Status Error() {
    absl::string_view text = tjGetErrorStr2(handle());
    // "tjDecompress2(): Premature end of JPEG file"
    const size_t colon = text.find("(): ");
    if (colon != absl::string_view::npos) text.remove_prefix(colon + 4);
    absl::Status status = absl::InvalidArgumentError(absl::AsciiStrToLower(text.substr(0, 100)));
    handle_.reset();
    return status;
  }

 private:
  std::unique_ptr<void, DestroyHandle> handle_;
};

const unsigned char* Data(absl::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

absl::StatusOr<ImageSize> ReadJpegSize(absl::string_view bytes) {
  // From the end: there the mark is, but for what some programs append.
  if (bytes.rfind("\xff\xd9") == absl::string_view::npos) {
    return absl::InvalidArgumentError("premature end of jpeg file");
  }
  ThreadDecoder& decoder = ThreadDecoder::Get();
  if (decoder.handle() == nullptr) return absl::ResourceExhaustedError("out of memory");
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
  if (tjDecompressHeader3(decoder.handle(), Data(bytes), bytes.size(), &width, &height,
                          &subsampling, &colorspace) != 0) {
    return decoder.Error();
  }
  RETURN_IF_ERROR(CheckImageSize(width, height, bytes.size()));
  if (colorspace == TJCS_CMYK || colorspace == TJCS_YCCK) {
    return absl::InvalidArgumentError("CMYK colours are not supported");
  }
  return ImageSize{width, height};
}

absl::Status DecodeJpeg(absl::string_view bytes, double shortest_side, Pixels& pixels) {
  ASSIGN_OR_RETURN(const ImageSize whole, ReadJpegSize(bytes));
  int divisor = 1;
  for (const int next : {2, 4, 8}) {
    if (std::min(whole.width, whole.height) / next < shortest_side) break;
    divisor = next;
  }
  ThreadDecoder& decoder = ThreadDecoder::Get();
  const tjscalingfactor scale{1, divisor};
  pixels.width = TJSCALED(whole.width, scale);
  pixels.height = TJSCALED(whole.height, scale);
  pixels.rgb.resize(size_t{3} * pixels.width * pixels.height);
  // The accurate DCT gives the same pixels on every machine. A warning ("premature end", "corrupt
  // data") means that some of the image is made up: stop there.
  constexpr int kFlags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  if (tjDecompress2(decoder.handle(), Data(bytes), bytes.size(), pixels.rgb.data(), pixels.width,
                    /*pitch=*/0, pixels.height, TJPF_RGB, kFlags) != 0) {
    return decoder.Error();
  }
  return absl::OkStatus();
}

}  // namespace skytrain::data
