#include "server/accounts/site_folders.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file/file_system.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr mode_t kPass = 0711;
constexpr mode_t kClosed = 0700;

absl::Status SetMode(const std::string& path, mode_t mode) {
  struct stat info;
  if (lstat(path.c_str(), &info) == 0 && (info.st_mode & 07777) == mode) return absl::OkStatus();
  if (chmod(path.c_str(), mode) == 0) return absl::OkStatus();
  return PosixError(errno, "set the permissions of", path);
}

// What lies in `folder`, but for `open` and what holds one of them, is root's alone, whatever an
// earlier daemon in another mode made of it.
absl::Status CloseAllIn(const std::string& folder, const std::vector<std::string>& open) {
  ASSIGN_OR_RETURN(const auto names, FileSystem::Posix().ListDir(folder));
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(folder, "/", name);
    const bool keep = std::any_of(open.begin(), open.end(), [&](const std::string& kept) {
      return kept == path || absl::StartsWith(kept, path + "/");
    });
    struct stat info;
    if (keep || lstat(path.c_str(), &info) != 0 || S_ISLNK(info.st_mode)) continue;
    RETURN_IF_ERROR(SetMode(path, info.st_mode & 0700));
  }
  return absl::OkStatus();
}

absl::Status CheckAbove(const std::string& work_dir) {
  for (std::string path = work_dir;; path = ParentOf(path)) {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return PosixError(errno, "look at", path);
    const bool exchangeable = (info.st_mode & 022) != 0 && (info.st_mode & S_ISVTX) == 0;
    if (info.st_uid != 0 || exchangeable) {
      return ErrorWithReason(
          absl::StatusCode::kPermissionDenied, "UNSAFE_WORK_DIR",
          absl::StrCat("work_dir ", work_dir, ": ", path,
                       info.st_uid != 0 ? " does not belong to root" : " may be written by others",
                       ", who could exchange the folders of users. Choose a place of root's alone "
                       "(mode: site)"));
    }
    if (path == "/" || path == ".") return absl::OkStatus();
  }
}

}  // namespace

SiteFolders SiteFoldersIn(const std::string& work_dir) {
  SiteFolders folders;
  folders.attempts = work_dir + "/attempts";
  folders.trash = folders.attempts + "/.trash";
  folders.cache = work_dir + "/cache";
  folders.probe = work_dir + "/probe";
  folders.inputs = work_dir + "/inputs";
  return folders;
}

absl::Status PrepareSiteFolders(const std::string& state_dir, const std::string& work_dir) {
  RETURN_IF_ERROR(MakeFolders(work_dir, kClosed));
  RETURN_IF_ERROR(CheckAbove(work_dir));
  RETURN_IF_ERROR(CloseAllIn(state_dir, {work_dir}));
  const SiteFolders folders = SiteFoldersIn(work_dir);
  const std::vector<std::string> passed = {folders.attempts, folders.cache, folders.probe,
                                           folders.inputs};
  for (const std::string& folder : passed) {
    RETURN_IF_ERROR(MakeFolders(folder, kClosed));
    RETURN_IF_ERROR(SetMode(folder, kPass));
  }
  RETURN_IF_ERROR(MakeFolders(folders.trash, kClosed));
  RETURN_IF_ERROR(SetMode(folders.trash, kClosed));
  RETURN_IF_ERROR(CloseAllIn(work_dir, passed));
  RETURN_IF_ERROR(SetMode(work_dir, kPass));
  // work_dir may lie in state_dir, as it does by default.
  return SetMode(state_dir, absl::StartsWith(work_dir, state_dir + "/") ? kPass : kClosed);
}

}  // namespace skytrain
