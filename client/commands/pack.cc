#include "client/commands/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = 512;
constexpr size_t kLongestName = 100;  // In a plain header.

bool IsImageName(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  for (const char* suffix : {".jpg", ".jpeg", ".png", ".fits", ".fit", ".fts"}) {
    if (absl::EndsWith(lower, suffix)) return true;
  }
  return false;
}

absl::Status FileError(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " ", path));
}

// By its name in the archive: where it is.
using Images = std::map<std::string, fs::path>;

absl::Status AddImage(const std::string& name, const fs::path& path, Images& images) {
  if (images.emplace(name, path).second) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "DATA_INVALID",
                         absl::StrCat(images.at(name).string(), " and ", path.string(),
                                      " would have one name: give the folder above them"));
}

absl::Status AddFolder(const fs::path& folder, Images& images) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name[0] == '.' || name == "__MACOSX") {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file() || !IsImageName(name)) continue;
    RETURN_IF_ERROR(AddImage(it->path().lexically_relative(folder).string(), it->path(), images));
  }
  if (!error) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat("cannot list ", folder.string(), ": ", error.message()));
}

// An archive of POSIX 1003.1 (ustar), longer names as GNU tar writes them.
class TarWriter {
 public:
  TarWriter(FILE* file, std::string path) : file_(file), path_(std::move(path)) {}

  absl::Status Add(const std::string& name, const fs::path& from) {
    const std::unique_ptr<FILE, int (*)(FILE*)> in(
        fopen(from.c_str(), "re"), +[](FILE* f) { return f == nullptr ? 0 : fclose(f); });
    std::error_code error;
    const auto size = static_cast<uint64_t>(fs::file_size(from, error));
    if (in == nullptr || error) return FileError("read", from.string());
    if (name.size() > kLongestName) {
      RETURN_IF_ERROR(Header("././@LongLink", 'L', name.size() + 1));
      RETURN_IF_ERROR(Write(std::string(name.c_str(), name.size() + 1)));
      RETURN_IF_ERROR(Pad(name.size() + 1));
    }
    RETURN_IF_ERROR(Header(name.substr(0, kLongestName), '0', size));
    std::string buffer(1 << 16, '\0');
    uint64_t copied = 0;
    while (copied < size) {
      const size_t want = std::min<uint64_t>(buffer.size(), size - copied);
      const size_t got = fread(buffer.data(), 1, want, in.get());
      if (got == 0) return FileError("read", from.string());
      RETURN_IF_ERROR(Write(absl::string_view(buffer).substr(0, got)));
      copied += got;
    }
    return Pad(size);
  }

  absl::Status Finish() {
    RETURN_IF_ERROR(Write(std::string(2 * kBlock, '\0')));
    return fflush(file_) == 0 ? absl::OkStatus() : FileError("write", path_);
  }

 private:
  absl::Status Header(const std::string& name, char type, uint64_t size) {
    std::string header(kBlock, '\0');
    const auto put = [&](size_t at, const std::string& text) {
      header.replace(at, text.size(), text);
    };
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, absl::StrFormat("%011o", size));
    put(136, "00000000000");  // No times: the same images are the same archive.
    header[156] = type;
    put(257, std::string("ustar\0"
                         "00",
                         8));
    put(148, std::string(8, ' '));
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, absl::StrFormat("%06o", sum) + std::string("\0 ", 2));
    return Write(header);
  }

  absl::Status Pad(uint64_t size) {
    return Write(std::string((kBlock - size % kBlock) % kBlock, '\0'));
  }

  absl::Status Write(absl::string_view bytes) {
    if (fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size()) return absl::OkStatus();
    return FileError("write", path_);
  }

  FILE* const file_;
  const std::string path_;
};

}  // namespace

absl::StatusOr<TemporaryFile> TemporaryFile::Make() {
  const char* folder = getenv("TMPDIR");
  std::string path =
      absl::StrCat(folder != nullptr && folder[0] == '/' ? folder : "/tmp", "/skytrain-XXXXXX");
  const int fd = mkstemp(path.data());
  if (fd < 0) return FileError("make", path);
  close(fd);
  return TemporaryFile(path);
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : path_(std::exchange(other.path_, "")) {}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

bool IsSentAsItIs(const std::vector<std::string>& paths) {
  std::error_code error;
  return paths.size() == 1 && !fs::is_directory(paths[0], error) && !IsImageName(paths[0]);
}

absl::StatusOr<TemporaryFile> PackImages(const std::vector<std::string>& paths) {
  Images images;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      RETURN_IF_ERROR(AddFolder(path, images));
    } else if (IsImageName(path)) {
      RETURN_IF_ERROR(AddImage(fs::path(path).filename().string(), path, images));
    } else {
      return ErrorWithReason(absl::StatusCode::kInvalidArgument, "DATA_INVALID",
                             absl::StrCat(path,
                                          " is neither a folder nor named as an image; an "
                                          "archive or a table goes alone"));
    }
  }
  if (images.empty()) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "DATA_NOT_FOUND",
                           absl::StrCat(paths[0], " holds no file named as JPEG, PNG or FITS"));
  }
  ASSIGN_OR_RETURN(TemporaryFile packed, TemporaryFile::Make());
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      fopen(packed.path().c_str(), "we"), +[](FILE* f) { return f == nullptr ? 0 : fclose(f); });
  if (file == nullptr) return FileError("write", packed.path());
  TarWriter tar(file.get(), packed.path());
  for (const auto& [name, path] : images) RETURN_IF_ERROR(tar.Add(name, path));
  RETURN_IF_ERROR(tar.Finish());
  return packed;
}

}  // namespace skytrain::client
