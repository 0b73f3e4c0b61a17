// PNM, binary and 8 bits a channel: the form in which rows of arrays are handed on as images.
#include <array>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "server/data/image.h"

namespace skytrain::data {
namespace {

struct Header {
  ImageSize size;
  int channels = 0;
  absl::string_view pixels;
};

absl::StatusOr<Header> Parse(absl::string_view bytes) {
  const absl::Status malformed = absl::InvalidArgumentError("malformed PNM header");
  Header header;
  header.channels = absl::StartsWith(bytes, "P6\n") ? 3 : 1;
  const size_t size_end = bytes.find('\n', 3);
  constexpr absl::string_view kDepth = "255\n";
  if (size_end == absl::string_view::npos || bytes.substr(size_end + 1, 4) != kDepth) {
    return malformed;
  }
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(bytes.substr(3, size_end - 3), absl::MaxSplits(' ', 1));
  if (!absl::SimpleAtoi(sides.first, &header.size.width) ||
      !absl::SimpleAtoi(sides.second, &header.size.height)) {
    return malformed;
  }
  header.pixels = bytes.substr(size_end + 1 + kDepth.size());
  RETURN_IF_ERROR(CheckImageSize(header.size.width, header.size.height, header.pixels.size()));
  const size_t expected = size_t{1} * header.size.width * header.size.height * header.channels;
  if (header.pixels.size() != expected) return absl::InvalidArgumentError("PNM file is cut short");
  return header;
}

}  // namespace

absl::StatusOr<ImageSize> ReadPnmSize(absl::string_view bytes) {
  ASSIGN_OR_RETURN(const Header header, Parse(bytes));
  return header.size;
}

absl::Status DecodePnm(absl::string_view bytes, Pixels& pixels) {
  ASSIGN_OR_RETURN(const Header header, Parse(bytes));
  pixels.width = header.size.width;
  pixels.height = header.size.height;
  const size_t count = size_t{1} * pixels.width * pixels.height;
  pixels.rgb.resize(3 * count);
  if (header.channels == 3) {
    std::memcpy(pixels.rgb.data(), header.pixels.data(), 3 * count);
    return absl::OkStatus();
  }
  for (size_t i = 0; i < count; ++i) {
    std::memset(&pixels.rgb[3 * i], header.pixels[i], 3);
  }
  return absl::OkStatus();
}

}  // namespace skytrain::data
