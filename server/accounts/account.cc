#include "server/accounts/account.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr size_t kMostGroups = 65'536;  // NGROUPS_MAX of the kernel.
constexpr size_t kMostText = 1 << 20;

absl::Status NoAccount(const std::string& owner) {
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "NO_ACCOUNT",
      absl::StrCat("this machine has no user '", owner,
                   "', whose jobs could run as that user (mode: site). Ask its admin"));
}

absl::Status AccountsUnavailable(const std::string& owner, int error) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "ACCOUNTS_UNAVAILABLE",
                         absl::StrCat("cannot look the user '", owner,
                                      "' up: ", absl::ErrnoToStatus(error, "getpwnam").message()));
}

std::vector<gid_t> GroupsOf(const std::string& name, gid_t gid) {
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (getgrouplist(name.c_str(), gid, groups.data(), &count) < 0 &&
         groups.size() < kMostGroups) {
    // Some versions of libc do not say how many there are.
    groups.resize(std::max(static_cast<size_t>(std::max(count, 0)), groups.size() * 2));
    count = static_cast<int>(groups.size());
  }
  groups.resize(static_cast<size_t>(std::clamp<int>(count, 0, static_cast<int>(groups.size()))));
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  return groups;
}

}  // namespace

absl::StatusOr<Account> FindAccount(const std::string& owner) {
  std::vector<char> text(16'384);
  passwd entry;
  passwd* found = nullptr;
  int error;
  while ((error = getpwnam_r(owner.c_str(), &entry, text.data(), text.size(), &found)) == ERANGE &&
         text.size() < kMostText) {
    text.resize(text.size() * 2);
  }
  if (found == nullptr) {
    // What some name services answer for a name that they do not have.
    const bool absent = error == 0 || error == ENOENT || error == ESRCH || error == EPERM;
    return absent ? NoAccount(owner) : AccountsUnavailable(owner, error);
  }
  if (found->pw_uid == 0) {
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, "ROOT_RUNS_NO_JOBS",
        absl::StrCat("'", owner,
                     "' is root here: root may administer, but jobs and data run as users. Do it "
                     "as one (mode: site)"));
  }
  Account account;
  account.name = found->pw_name;
  account.home = found->pw_dir;
  account.shell = found->pw_shell;
  account.ids.uid = found->pw_uid;
  account.ids.gid = found->pw_gid;
  account.ids.groups = GroupsOf(account.name, account.ids.gid);
  return account;
}

std::vector<std::string> EnvironmentFor(const Account& account,
                                        const std::vector<std::string>& environment) {
  std::vector<std::string> kept;
  for (const std::string& variable : environment) {
    for (const char* prefix :
         {"PATH=", "LANG=", "LC_", "TZ=", "LD_LIBRARY_PATH=", "CUDA_", "NVIDIA_"}) {
      if (absl::StartsWith(variable, prefix)) kept.push_back(variable);
    }
  }
  kept.push_back("HOME=" + account.home);
  kept.push_back("USER=" + account.name);
  kept.push_back("LOGNAME=" + account.name);
  kept.push_back("SHELL=" + account.shell);
  return kept;
}

absl::StatusOr<std::string> FolderOf(const Account& account, const std::string& parent) {
  const std::string path = absl::StrCat(parent, "/", account.ids.uid);
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return PosixError(errno, "look at", path);
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return PosixError(errno, "create folder", path);
    }
    if (lstat(path.c_str(), &info) != 0) return PosixError(errno, "look at", path);
  }
  if (S_ISDIR(info.st_mode) && info.st_uid == account.ids.uid) return path;
  // Root's: made just now, by this thread or another one.
  if (!S_ISDIR(info.st_mode) || info.st_uid != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is no folder of ", account.name, ". Remove it"));
  }
  if (lchown(path.c_str(), account.ids.uid, account.ids.gid) != 0) {
    return PosixError(errno, "give away", path);
  }
  return path;
}

}  // namespace skytrain
