#include "common/file/owner_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr size_t kMostNames = 65'536;

absl::Status NotAllowed(absl::string_view what, const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot ", what, " ", path, ": it lies in a folder of a user"));
}

// Folders that their owner made unreadable; for this thread, which acts as the owner.
void OpenFolders(const std::string& path) {
  std::error_code ignored;
  const auto all = std::filesystem::perms::owner_all;
  const auto add = std::filesystem::perm_options::add | std::filesystem::perm_options::nofollow;
  if (std::filesystem::symlink_status(path, ignored).type() !=
      std::filesystem::file_type::directory) {
    return;
  }
  if (chmod(path.c_str(), 0700) != 0) return;
  std::filesystem::recursive_directory_iterator files(path, ignored);
  for (; !ignored && files != std::filesystem::recursive_directory_iterator();
       files.increment(ignored)) {
    std::error_code one;
    if (files->symlink_status(one).type() == std::filesystem::file_type::directory) {
      std::filesystem::permissions(files->path(), all, add, one);
    }
  }
}

absl::Status RemoveAsOwner(FileSystem& base, const std::string& path) {
  const absl::Status removed = base.RemoveTree(path);
  if (!absl::IsPermissionDenied(removed)) return removed;
  OpenFolders(path);
  return base.RemoveTree(path);
}

// Everything in the folder `fd`, whose name is `path`.
absl::Status EmptyAsOwner(FileSystem& base, int fd, const std::string& path) {
  const std::string folder = absl::StrCat("/proc/self/fd/", fd);
  // Its owner may have taken his own rights to it away.
  if (chmod(folder.c_str(), 0700) != 0) return PosixError(errno, "open", path);
  std::error_code error;
  std::filesystem::directory_iterator files(folder, error);
  absl::Status status;
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) {
    const absl::Status removed = RemoveAsOwner(base, files->path().string());
    if (removed.ok()) continue;
    status.Update(
        absl::Status(removed.code(), absl::StrReplaceAll(removed.message(), {{folder, path}})));
  }
  return error ? PosixError(error.value(), "list", path) : status;
}

absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return PosixError(errno, "list", path);
  DIR* const dir = fdopendir(fd);
  if (dir == nullptr) {
    close(fd);
    return PosixError(errno, "list", path);
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> closer(dir, &closedir);
  std::vector<std::string> names;
  for (errno = 0; const dirent* entry = readdir(dir); errno = 0) {
    const absl::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == kMostNames) {
      return absl::OutOfRangeError(
          absl::StrCat(path, " holds more than ", kMostNames, " names, too many to look at"));
    }
    names.emplace_back(name);
  }
  if (errno != 0) return PosixError(errno, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

OwnerFileSystem::OwnerFileSystem(FileSystem& base, std::vector<std::string> parents)
    : base_(base), parents_(std::move(parents)) {}

OwnerFileSystem::Place OwnerFileSystem::PlaceOf(absl::string_view path) const {
  Place place;
  size_t longest = 0;
  for (const std::string& parent : parents_) {
    if (path == parent) {
      place.is_parent = true;
      continue;
    }
    // The innermost counts: a parent (attempts/.trash) may lie in another (attempts).
    if (parent.size() <= longest || !absl::StartsWith(path, absl::StrCat(parent, "/"))) continue;
    longest = parent.size();
    const size_t end = path.find('/', parent.size() + 1);
    place.entry = std::string(path.substr(0, end));
    place.below = end != absl::string_view::npos;
  }
  if (place.is_parent) place.entry.clear();
  return place;
}

template <typename Operation>
auto OwnerFileSystem::As(const std::string& path, Operation operation) -> decltype(operation()) {
  if (absl::StrContains(path, "/../")) return NotAllowed("use", path);
  const Place place = PlaceOf(path);
  if (place.entry.empty()) return operation();
  // Only root can make or exchange an entry, so its owner is what root wanted.
  struct stat info;
  if (lstat(place.entry.c_str(), &info) != 0 || info.st_uid == 0) return operation();
  if (!S_ISDIR(info.st_mode)) return NotAllowed("use", path);
  const ScopedFileIdentity identity({info.st_uid, info.st_gid, {}});
  if (!identity.status().ok()) return identity.status();
  return operation();
}

absl::StatusOr<std::unique_ptr<WritableFile>> OwnerFileSystem::CreateExclusive(
    const std::string& path) {
  return As(path, [&] { return base_.CreateExclusive(path); });
}

absl::StatusOr<std::unique_ptr<WritableFile>> OwnerFileSystem::OpenAppend(const std::string& path) {
  if (PlaceOf(path).below) return NotAllowed("append to", path);
  return base_.OpenAppend(path);
}

absl::Status OwnerFileSystem::Reserve(const std::string& path, uint64_t bytes) {
  if (PlaceOf(path).below) return NotAllowed("reserve", path);
  return base_.Reserve(path, bytes);
}

absl::Status OwnerFileSystem::Overwrite(const std::string& path, absl::string_view data) {
  if (PlaceOf(path).below) return NotAllowed("overwrite", path);
  return base_.Overwrite(path, data);
}

absl::Status OwnerFileSystem::Link(const std::string& from, const std::string& to) {
  if (PlaceOf(from).below) return NotAllowed("link", from);
  if (PlaceOf(to).below) return NotAllowed("link to", to);
  return base_.Link(from, to);
}

absl::Status OwnerFileSystem::Rename(const std::string& from, const std::string& to) {
  const Place source = PlaceOf(from), target = PlaceOf(to);
  if (!source.below && !target.below) return base_.Rename(from, to);
  if (source.entry != target.entry) return NotAllowed("move", from);
  return As(from, [&] { return base_.Rename(from, to); });
}

absl::Status OwnerFileSystem::Remove(const std::string& path) {
  if (!PlaceOf(path).below) return base_.Remove(path);
  return As(path, [&] { return base_.Remove(path); });
}

absl::Status OwnerFileSystem::CreateDir(const std::string& path) {
  if (!PlaceOf(path).below) return base_.CreateDir(path);
  return As(path, [&] { return base_.CreateDir(path); });
}

absl::Status OwnerFileSystem::RemoveTree(const std::string& path) {
  const Place place = PlaceOf(path);
  if (place.below) return As(path, [&] { return RemoveAsOwner(base_, path); });
  if (!place.entry.empty()) return RemoveEntry(path);
  if (!place.is_parent) return base_.RemoveTree(path);
  const auto entries = base_.ListDir(path);
  if (absl::IsNotFound(entries.status())) return absl::OkStatus();
  RETURN_IF_ERROR(entries.status());
  absl::Status status;
  for (const std::string& name : *entries) {
    status.Update(RemoveTree(absl::StrCat(path, "/", name)));
  }
  RETURN_IF_ERROR(status);
  return base_.RemoveTree(path);
}

// What is in it goes by the rights of its owner; its own name is root's. The folders above may be
// closed to the owner, so it is reached by a descriptor.
absl::Status OwnerFileSystem::RemoveEntry(const std::string& entry) {
  struct stat info;
  if (lstat(entry.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : PosixError(errno, "look at", entry);
  }
  if (info.st_uid == 0) return base_.RemoveTree(entry);
  if (!S_ISDIR(info.st_mode)) return base_.Remove(entry);
  const int fd = open(entry.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return PosixError(errno, "open", entry);
  const absl::Status emptied = As(entry, [&] { return EmptyAsOwner(base_, fd, entry); });
  close(fd);
  RETURN_IF_ERROR(emptied);
  if (rmdir(entry.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return PosixError(errno, "remove", entry);
}

absl::Status OwnerFileSystem::SyncDir(const std::string& path) {
  return As(path, [&] { return base_.SyncDir(path); });
}

absl::Status OwnerFileSystem::Truncate(const std::string& path, uint64_t bytes) {
  return As(path, [&] { return base_.Truncate(path, bytes); });
}

absl::StatusOr<std::string> OwnerFileSystem::ReadFile(const std::string& path, uint64_t max_bytes) {
  if (!PlaceOf(path).below) return base_.ReadFile(path, max_bytes);
  ASSIGN_OR_RETURN(const int fd, Open(path, Access::kRead));
  return ReadAndClose(fd, path, max_bytes);
}

absl::StatusOr<std::vector<std::string>> OwnerFileSystem::ListDir(const std::string& path) {
  if (PlaceOf(path).entry.empty()) return base_.ListDir(path);
  return As(path, [&] { return ListFolder(path); });
}

bool OwnerFileSystem::Exists(const std::string& path) {
  if (!PlaceOf(path).below) return base_.Exists(path);
  return Info(path).ok();
}

absl::StatusOr<int> OwnerFileSystem::Open(const std::string& path, Access access) {
  if (!PlaceOf(path).below) return base_.Open(path, access);
  return As(path, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const FileInfo info, base_.Info(path));
    if (info.kind != FileInfo::Kind::kFile) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
    }
    return base_.Open(path, access);
  });
}

absl::StatusOr<FileInfo> OwnerFileSystem::Info(const std::string& path) {
  return As(path, [&] { return base_.Info(path); });
}

}  // namespace skytrain
