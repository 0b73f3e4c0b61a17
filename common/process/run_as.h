#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/file/file_identity.h"

namespace skytrain {

// How a process that root starts is told whom to become: "UID:GID:GROUP,GROUP" on its command line,
// where, unlike in a file, nobody else can write. The groups may be missing.
std::string FormatRunAs(const UserIds& user);
// INVALID_ARGUMENT for anything else, and for uid 0: becoming root means that something is wrong.
absl::StatusOr<UserIds> ParseRunAs(absl::string_view text);

// Makes this process that user's for good: groups, gid, uid, no capabilities, no way back, no new
// privileges by what it executes, no keys of root's. Before any thread exists and any file of the
// user is opened. After an error the process must end.
absl::Status BecomeUser(const UserIds& user);

}  // namespace skytrain
