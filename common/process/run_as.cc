#include "common/process/run_as.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

// -1 as an id means "leave it as it is" to the kernel.
bool ParseId(absl::string_view text, uint32_t* id) {
  return absl::SimpleAtoi(text, id) && *id != std::numeric_limits<uint32_t>::max();
}

absl::Status Cannot(absl::string_view what, const UserIds& user) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " of uid ", user.uid));
}

// What the kernel says, not what was asked for.
bool IsUser(const UserIds& user) {
  uid_t uids[3];
  gid_t gids[3];
  if (getresuid(&uids[0], &uids[1], &uids[2]) != 0) return false;
  if (getresgid(&gids[0], &gids[1], &gids[2]) != 0) return false;
  std::vector<gid_t> groups(static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  if (count < 0 || static_cast<size_t>(count) != user.groups.size()) return false;
  for (int i = 0; i < 3; ++i) {
    if (uids[i] != user.uid || gids[i] != user.gid) return false;
  }
  std::vector<gid_t> wanted = user.groups;
  std::sort(wanted.begin(), wanted.end());
  std::sort(groups.begin(), groups.end());
  return groups == wanted;
}

bool HasCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return true;
  return (data[0].effective | data[0].permitted | data[0].inheritable | data[1].effective |
          data[1].permitted | data[1].inheritable) != 0;
}

// Inheritable ones outlive a change of uid.
bool DropCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2]{};
  return syscall(SYS_capset, &header, none) == 0;
}

}  // namespace

std::string FormatRunAs(const UserIds& user) {
  return absl::StrCat(user.uid, ":", user.gid, ":", absl::StrJoin(user.groups, ","));
}

absl::StatusOr<UserIds> ParseRunAs(absl::string_view text) {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("--run-as must be UID:GID:GROUP,GROUP, not \"", text, "\"", why));
  };
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  UserIds user;
  if (parts.size() < 2 || parts.size() > 3 || !ParseId(parts[0], &user.uid) ||
      !ParseId(parts[1], &user.gid)) {
    return bad("");
  }
  if (user.uid == 0) return bad(": nothing is run as root");
  if (parts.size() == 2 || parts[2].empty()) return user;
  for (const absl::string_view group : absl::StrSplit(parts[2], ',')) {
    if (!ParseId(group, &user.groups.emplace_back())) return bad("");
  }
  return user;
}

absl::Status BecomeUser(const UserIds& user) {
  if (setgroups(user.groups.size(), user.groups.data()) != 0)
    return Cannot("take the groups", user);
  if (setresgid(user.gid, user.gid, user.gid) != 0) return Cannot("take the group", user);
  if (setresuid(user.uid, user.uid, user.uid) != 0) return Cannot("take the identity", user);
  if (!DropCapabilities()) return Cannot("drop the capabilities", user);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Cannot("give up privileges as", user);
  if (!IsUser(user) || HasCapabilities() || setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0) {
    return absl::InternalError(
        absl::StrCat("still not only uid ", user.uid, ": nothing is run like that"));
  }
  // Else the keys of root's session stay within reach. Fails where the kernel has no keys.
  syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  return absl::OkStatus();
}

}  // namespace skytrain
