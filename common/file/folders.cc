#include <sys/stat.h>

#include <cerrno>

#include "common/file/file_system.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {

std::string ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

absl::Status MakeFolders(const std::string& path, unsigned mode) {
  if (mkdir(path.c_str(), mode) != 0) {
    if (errno == EEXIST) return absl::OkStatus();
    if (errno != ENOENT) return PosixError(errno, "create folder", path);
    RETURN_IF_ERROR(MakeFolders(ParentOf(path), mode));
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
      return PosixError(errno, "create folder", path);
    }
  }
  return FileSystem::Posix().SyncDir(ParentOf(path));
}

}  // namespace skytrain
