#include "server/accounts/owner_links.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/file/file_system.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

// The folder belongs to the user, but its own name is root's, so this is the right one; and a name
// in an open folder is not led elsewhere.
class Folder {
 public:
  explicit Folder(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) {}
  ~Folder() {
    if (fd_ >= 0) close(fd_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

bool IsSameFile(int folder, const std::string& name, const struct stat& file) {
  struct stat info;
  return fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
         info.st_dev == file.st_dev && info.st_ino == file.st_ino;
}

}  // namespace

absl::StatusOr<std::string> LinkForOwner(const std::string& path, const Account& account,
                                         const std::string& inputs_dir, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string folder_path, FolderOf(account, inputs_dir));
  const std::string link_path = absl::StrCat(folder_path, "/", name);
  const Folder folder(folder_path);
  if (folder.fd() < 0) return PosixError(errno, "open", folder_path);
  struct stat file;
  if (lstat(path.c_str(), &file) != 0) return PosixError(errno, "look at", path);
  // Three tries: another call may do the same just now.
  for (int tries = 0; tries < 3; ++tries) {
    if (IsSameFile(folder.fd(), name, file)) return link_path;
    if (linkat(AT_FDCWD, path.c_str(), folder.fd(), name.c_str(), 0) == 0) return link_path;
    if (errno != EEXIST) return PosixError(errno, "link", absl::StrCat(path, " to ", link_path));
    if (!IsSameFile(folder.fd(), name, file) && unlinkat(folder.fd(), name.c_str(), 0) != 0 &&
        errno != ENOENT) {
      return PosixError(errno, "replace", link_path);
    }
  }
  return absl::UnavailableError(absl::StrCat(link_path, " is changed by somebody else. Try again"));
}

void RemoveLeftLinks(const std::string& inputs_dir) {
  const auto users = FileSystem::Posix().ListDir(inputs_dir);
  if (!users.ok()) return;
  for (const std::string& user : *users) {
    const Folder folder(absl::StrCat(inputs_dir, "/", user));
    const int copy = folder.fd() < 0 ? -1 : dup(folder.fd());
    const std::unique_ptr<DIR, int (*)(DIR*)> names(
        copy < 0 ? nullptr : fdopendir(copy), [](DIR* dir) { return dir ? closedir(dir) : 0; });
    while (const dirent* entry = names == nullptr ? nullptr : readdir(names.get())) {
      struct stat info;
      if (fstatat(folder.fd(), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (S_ISREG(info.st_mode) && info.st_uid == 0 && info.st_nlink == 1) {
        unlinkat(folder.fd(), entry->d_name, 0);
      }
    }
  }
}

}  // namespace skytrain
