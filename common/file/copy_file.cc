#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/file/file_system.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr size_t kChunk = 1 << 20;

absl::Status CopyBytes(int fd, const std::string& from, WritableFile& to, uint64_t max_bytes) {
  std::string chunk(kChunk, '\0');
  while (true) {
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return PosixError(errno, "read", from);
    if (got == 0) break;
    if (to.size() + static_cast<uint64_t>(got) > max_bytes) {
      return absl::OutOfRangeError(
          absl::StrCat(from, " is larger than the ", max_bytes, " bytes that are allowed here"));
    }
    RETURN_IF_ERROR(to.Append(absl::string_view(chunk.data(), static_cast<size_t>(got))));
  }
  RETURN_IF_ERROR(to.Sync());
  return to.Close();
}

}  // namespace

absl::Status CopyFile(FileSystem& fs, const std::string& from, const std::string& to,
                      uint64_t max_bytes) {
  ASSIGN_OR_RETURN(const int fd, fs.Open(from, FileSystem::Access::kRead));
  auto file = fs.CreateExclusive(to);
  absl::Status status = file.status();
  if (status.ok()) {
    status = CopyBytes(fd, from, **file, max_bytes);
    if (!status.ok()) fs.Remove(to).IgnoreError();
  }
  close(fd);
  return status;
}

}  // namespace skytrain
