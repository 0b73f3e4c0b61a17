#include <png.h>

#include <csetjmp>
#include <string>

#include "server/data/image.h"

namespace skytrain::data {
namespace {

void Append(png_structp png, png_bytep bytes, size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<char*>(bytes), size);
}

void Flush(png_structp) {}

[[noreturn]] void OnError(png_structp png, png_const_charp) { png_longjmp(png, 1); }
void OnWarning(png_structp, png_const_charp) {}

// Between setjmp and longjmp no object with a destructor may be made.
bool Write(png_structp png, png_infop info, int width, int height, const uint8_t* rgb,
           std::string* out) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, out, Append, Flush);
  png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < height; ++y) png_write_row(png, rgb + size_t{3} * width * y);
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

absl::StatusOr<std::string> EncodePng(int width, int height, const uint8_t* rgb) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, OnError, OnWarning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  std::string bytes;
  const bool written = info != nullptr && Write(png, info, width, height, rgb, &bytes);
  png_destroy_write_struct(&png, &info);
  if (!written) return absl::ResourceExhaustedError("out of memory while a PNG was written");
  return bytes;
}

}  // namespace skytrain::data
