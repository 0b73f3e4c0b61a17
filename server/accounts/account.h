#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/file/file_identity.h"

namespace skytrain {

// A user of this machine, as the system knows him (/etc/passwd, LDAP, …).
struct Account {
  std::string name;
  std::string home;
  std::string shell;
  UserIds ids;
};

// The account that the jobs of `owner` run as in mode: site. FAILED_PRECONDITION (NO_ACCOUNT):
// there is none of that name; PERMISSION_DENIED (ROOT_RUNS_NO_JOBS): it is root's; UNAVAILABLE
// (ACCOUNTS_UNAVAILABLE): the name service does not answer. Asks the name service: it may take a
// while, and the answer may change.
absl::StatusOr<Account> FindAccount(const std::string& owner);

// What a process that runs as `account` gets of `environment` ("K=V", the daemon's own): the
// language, paths of libraries, and what concerns GPUs; with HOME, USER, LOGNAME and SHELL of the
// account. All else may be root's secrets (tokens), or names of what is root's (sockets).
std::vector<std::string> EnvironmentFor(const Account& account,
                                        const std::vector<std::string>& environment);

// The folder PARENT/<uid>, mode 0700, that belongs to `account`; made where it is missing. Only
// root may write to `parent`, which exists. FAILED_PRECONDITION: there is something else.
absl::StatusOr<std::string> FolderOf(const Account& account, const std::string& parent);

}  // namespace skytrain
