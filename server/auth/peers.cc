#include "server/auth/peers.h"

#include <pwd.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"

namespace skytrain {

std::string UserName(uid_t uid) {
  std::vector<char> buffer(16384);
  passwd entry;
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return absl::StrCat("uid-", uid);
  }
  return found->pw_name;
}

void Peers::Add(int fd, uid_t uid) {
  bool known;
  {
    MutexLock lock(mu_);
    known = name_of_uid_.contains(uid);
  }
  std::string name = known ? "" : UserName(uid);
  MutexLock lock(mu_);
  if (!known) name_of_uid_.emplace(uid, std::move(name));
  uid_of_fd_[fd] = uid;
}

bool Peers::IsUnix(absl::string_view peer) { return absl::StartsWith(peer, "fd:"); }

absl::StatusOr<Peers::User> Peers::UserAt(absl::string_view peer) const {
  int fd = -1;
  absl::string_view number = peer;
  if (absl::ConsumePrefix(&number, "fd:") && absl::SimpleAtoi(number, &fd)) {
    MutexLock lock(mu_);
    if (const auto found = uid_of_fd_.find(fd); found != uid_of_fd_.end()) {
      return User{found->second, name_of_uid_.at(found->second)};
    }
  }
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, "UNKNOWN_PEER",
                         absl::StrCat("cannot tell who calls (", peer, ")"));
}

}  // namespace skytrain
