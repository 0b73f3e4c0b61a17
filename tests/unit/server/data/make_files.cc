#include "tests/unit/server/data/make_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace skytrain::data {

std::string MakeJpeg(int width, int height, int colour) {
  std::vector<uint8_t> rgb(size_t{3} * width * height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      uint8_t* pixel = &rgb[size_t{3} * (y * width + x)];
      pixel[0] = static_cast<uint8_t>(colour * 40);
      pixel[1] = static_cast<uint8_t>(255 * x / width);
      pixel[2] = static_cast<uint8_t>(255 * y / height);
    }
  }
  tjhandle handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;  // NOLINT: turbojpeg's type.
  EXPECT_EQ(
      tjCompress2(handle, rgb.data(), width, 0, height, TJPF_RGB, &out, &size, TJSAMP_444, 95, 0),
      0);
  std::string bytes(reinterpret_cast<char*>(out), size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}

std::string MakePng(int width, int height, int type, int bit_depth) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  std::string bytes;
  png_set_write_fn(
      png, &bytes,
      [](png_structp p, png_bytep data, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(data), size);
      },
      nullptr);
  png_set_IHDR(png, info, width, height, bit_depth, type, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (type == PNG_COLOR_TYPE_PALETTE) {
    png_color palette[1] = {{10, 20, 30}};
    png_set_PLTE(png, info, palette, 1);
  }
  png_write_info(png, info);
  std::vector<uint8_t> row(png_get_rowbytes(png, info));
  for (size_t i = 0; i < row.size(); ++i) {
    row[i] = type == PNG_COLOR_TYPE_PALETTE ? 0 : bit_depth == 16 && i % 2 == 1 ? 0x80 : 0x40;
  }
  for (int y = 0; y < height; ++y) png_write_row(png, row.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

void WriteArchive(const std::string& path, const std::vector<File>& files, Pack pack) {
  archive* a = archive_write_new();
  if (pack == Pack::kZip) {
    archive_write_set_format_zip(a);
  } else if (pack == Pack::kPaxTar) {
    archive_write_set_format_pax(a);
  } else {
    archive_write_set_format_ustar(a);
  }
  if (pack == Pack::kTarGz) archive_write_add_filter_gzip(a);
  ASSERT_EQ(archive_write_open_filename(a, path.c_str()), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  for (const File& file : files) {
    archive_entry_clear(entry);
    archive_entry_set_pathname(entry, file.path.c_str());
    archive_entry_set_perm(entry, 0644);
    if (!file.link_to.empty()) {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, file.link_to.c_str());
    } else if (file.path.back() == '/') {
      archive_entry_set_filetype(entry, AE_IFDIR);
    } else {
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_size(entry, static_cast<la_int64_t>(file.content.size()));
    }
    ASSERT_EQ(archive_write_header(a, entry), ARCHIVE_OK) << archive_error_string(a);
    archive_write_data(a, file.content.data(), file.content.size());
  }
  archive_entry_free(entry);
  ASSERT_EQ(archive_write_close(a), ARCHIVE_OK);
  archive_write_free(a);
}

void WriteFolder(const std::string& folder, const std::vector<File>& files) {
  for (const File& file : files) {
    const std::filesystem::path path(absl::StrCat(folder, "/", file.path));
    std::filesystem::create_directories(path.parent_path());
    if (!file.link_to.empty()) {
      ASSERT_EQ(::symlink(file.link_to.c_str(), path.c_str()), 0);
    } else if (file.path.back() != '/') {
      WriteWhole(path.string(), file.content);
    }
  }
}

std::vector<File> ImageFiles(const std::vector<std::pair<std::string, int>>& counts) {
  std::vector<File> files;
  int number = 0;
  for (const auto& [prefix, count] : counts) {
    for (int i = 0; i < count; ++i, ++number) {
      files.push_back(
          {absl::StrCat(prefix, "/", 100 + number, ".jpg"), MakeJpeg(40, 40, number % 6), ""});
    }
  }
  return files;
}

OpenOptions OptionsFor(const std::string& path, const std::string& cache_dir, int size) {
  OpenOptions options;
  options.data.set_dataset(path);
  options.data.mutable_image()->set_size(size);
  options.cache_dir = cache_dir;
  options.threads = 2;
  return options;
}

spec::TargetColumns ClassIn(const std::string& column) {
  spec::TargetColumns targets;
  targets.class_column = column;
  return targets;
}

std::string RealData(const std::string& name) {
  const std::string path = absl::StrCat(SKYTRAIN_SOURCE_DIR, "/../shared/data/", name);
  return std::filesystem::exists(path) ? path : "";
}

}  // namespace skytrain::data
