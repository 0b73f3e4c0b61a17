#include "server/blobs/verified_files.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

std::string IdentityOf(const struct stat& info, absl::string_view sha256) {
  return absl::StrCat(info.st_dev, ":", info.st_ino, ":", info.st_size, ":", info.st_mtim.tv_sec,
                      ".", info.st_mtim.tv_nsec, ":", info.st_ctim.tv_sec, ".",
                      info.st_ctim.tv_nsec, ":", sha256);
}

}  // namespace

bool VerifiedFiles::Has(const std::string& path, const struct stat& info,
                        absl::string_view sha256) const {
  MutexLock lock(mu_);
  const auto found = known_.find(path);
  return found != known_.end() && found->second == IdentityOf(info, sha256);
}

void VerifiedFiles::Add(const std::string& path, const struct stat& info,
                        absl::string_view sha256) {
  MutexLock lock(mu_);
  known_[path] = IdentityOf(info, sha256);
}

void VerifiedFiles::Forget(const std::string& path) {
  MutexLock lock(mu_);
  known_.erase(path);
}

absl::Status VerifiedFiles::Check(const std::string& path, int64_t size, absl::string_view sha256) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::DataLossError(absl::StrCat(path, " cannot be opened"));
  const absl::Status checked = CheckOpen(fd, path, size, sha256);
  close(fd);
  return checked;
}

absl::Status VerifiedFiles::CheckOpen(int fd, const std::string& path, int64_t size,
                                      absl::string_view sha256) {
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return absl::DataLossError(absl::StrCat(path, " cannot be looked at"));
  }
  if (info.st_size != size) {
    return absl::DataLossError(
        absl::StrCat(path, " has ", info.st_size, " bytes instead of ", size));
  }
  if (Has(path, info, sha256)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string found, Sha256HexOfRest(dup(fd), path, {}));
  if (found != sha256) {
    return absl::DataLossError(
        absl::StrCat("the SHA-256 of ", path, " is ", found, " instead of ", sha256));
  }
  Add(path, info, sha256);
  return absl::OkStatus();
}

}  // namespace skytrain
