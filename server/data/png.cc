#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/image.h"

namespace skytrain::data {
namespace {

struct Source {
  absl::string_view rest;
  char message[128] = "";
};

void ReadBytes(png_structp png, png_bytep to, size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->rest.size()) png_error(png, "premature end of PNG file");
  std::memcpy(to, source->rest.data(), size);
  source->rest.remove_prefix(size);
}

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->message, message, sizeof(source->message) - 1);
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

// Owns the two structures of a read.
struct Png {
  explicit Png(Source* source)
      : read(png_create_read_struct(PNG_LIBPNG_VER_STRING, source, OnError, OnWarning)),
        info(read != nullptr ? png_create_info_struct(read) : nullptr) {}
  ~Png() { png_destroy_read_struct(&read, &info, nullptr); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;
  png_structp read;
  png_infop info;
};

// Between setjmp and longjmp no object with a destructor may be made, so the steps that can jump
// are functions of plain data.
bool ReadHeader(Png& png, Source* source) {
  if (setjmp(png_jmpbuf(png.read)) != 0) return false;
  png_set_read_fn(png.read, source, ReadBytes);
  png_set_user_limits(png.read, kLargestSide, kLargestSide);
  // Text, profiles and the like change no pixel. Some are read as a whole, into memory of the
  // length that they claim, whatever png_set_chunk_malloc_max says.
  png_set_keep_unknown_chunks(png.read, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png.read, png.info);
  return true;
}

bool ReadRows(Png& png, png_bytepp rows, size_t row_bytes) {
  if (setjmp(png_jmpbuf(png.read)) != 0) return false;
  png_set_scale_16(png.read);
  png_set_expand(png.read);  // Palettes, and fewer than 8 bits, to 8 bits.
  png_set_gray_to_rgb(png.read);
  png_set_strip_alpha(png.read);
  png_set_interlace_handling(png.read);
  png_read_update_info(png.read, png.info);
  if (png_get_rowbytes(png.read, png.info) != row_bytes) png_error(png.read, "unexpected format");
  png_read_image(png.read, rows);
  png_read_end(png.read, nullptr);
  return true;
}

absl::Status PngError(const Source& source) { return absl::InvalidArgumentError(source.message); }

}  // namespace

absl::StatusOr<ImageSize> ReadPngSize(absl::string_view bytes) {
  Source source{bytes};
  Png png(&source);
  if (png.info == nullptr) return absl::ResourceExhaustedError("out of memory");
  if (!ReadHeader(png, &source)) return PngError(source);
  const int64_t width = png_get_image_width(png.read, png.info);
  const int64_t height = png_get_image_height(png.read, png.info);
  RETURN_IF_ERROR(CheckImageSize(width, height, bytes.size()));
  return ImageSize{static_cast<int>(width), static_cast<int>(height)};
}

absl::Status DecodePng(absl::string_view bytes, Pixels& pixels) {
  ASSIGN_OR_RETURN(const ImageSize size, ReadPngSize(bytes));
  Source source{bytes};
  Png png(&source);
  if (png.info == nullptr) return absl::ResourceExhaustedError("out of memory");
  pixels.width = size.width;
  pixels.height = size.height;
  const size_t row_bytes = size_t{3} * size.width;
  pixels.rgb.resize(row_bytes * size.height);
  std::vector<png_bytep> rows(size.height);
  for (int y = 0; y < size.height; ++y) rows[y] = &pixels.rgb[row_bytes * y];
  if (!ReadHeader(png, &source) || !ReadRows(png, rows.data(), row_bytes)) return PngError(source);
  return absl::OkStatus();
}

}  // namespace skytrain::data
