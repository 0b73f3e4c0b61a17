#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/accounts/account.h"

namespace skytrain {

// A second name, INPUTS_DIR/<uid>/NAME, for root's file `path`, which nobody else may reach by its
// own: the user reads it there and cannot change it, and no other user comes that far. It has the
// same path each time, so what was decoded of it before is found again. `inputs_dir` and `path` lie
// in one file system.
absl::StatusOr<std::string> LinkForOwner(const std::string& path, const Account& account,
                                         const std::string& inputs_dir, const std::string& name);

// Removes the names whose own file is gone. What cannot be looked at stays.
void RemoveLeftLinks(const std::string& inputs_dir);

}  // namespace skytrain
