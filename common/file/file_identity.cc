#include "common/file/file_identity.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace skytrain {
namespace {

constexpr uid_t kAsk = static_cast<uid_t>(-1);  // No such user: changes nothing, tells the present.

// The system call itself acts on this thread; glibc's function would change every thread.
bool SetGroups(const std::vector<gid_t>& groups) {
  return syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

// Neither call has a way to say that it failed but a second look.
bool SetFileIds(uid_t uid, gid_t gid) {
  setfsgid(gid);
  setfsuid(uid);
  return static_cast<gid_t>(setfsgid(kAsk)) == gid && static_cast<uid_t>(setfsuid(kAsk)) == uid;
}

std::vector<gid_t> GroupsOfThisThread() {
  std::vector<gid_t> groups(static_cast<size_t>(std::max<long>(0, getgroups(0, nullptr))));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<size_t>(std::max(0, count)));
  return groups;
}

}  // namespace

ScopedFileIdentity::ScopedFileIdentity(const UserIds& user)
    : before_{static_cast<uid_t>(setfsuid(kAsk)), static_cast<gid_t>(setfsgid(kAsk)),
              GroupsOfThisThread()},
      status_(Take(user)) {}

ScopedFileIdentity::~ScopedFileIdentity() { GiveBack(); }

absl::Status ScopedFileIdentity::Take(const UserIds& user) {
  if (SetGroups(user.groups) && SetFileIds(user.uid, user.gid)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("cannot reach files as uid ", user.uid, ": only root may do that"));
}

void ScopedFileIdentity::GiveBack() {
  const bool changed = static_cast<uid_t>(setfsuid(kAsk)) != before_.uid ||
                       static_cast<gid_t>(setfsgid(kAsk)) != before_.gid ||
                       GroupsOfThisThread() != before_.groups;
  if (!changed) return;
  if (SetFileIds(before_.uid, before_.gid) && SetGroups(before_.groups)) return;
  std::fprintf(stderr, "skytrain: cannot take the own identity back: %d\n", errno);
  std::abort();  // Going on with a user's rights would fail later, in places that do not expect it.
}

}  // namespace skytrain
