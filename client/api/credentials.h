#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain::client {

// The bearer tokens that `skytrain login` keeps: a file of lines "HOST:PORT TOKEN", '#' begins a
// comment. It must belong to the caller and be readable by nobody else. Every change writes the
// whole file anew, so a reader sees the old one or the new one. Not thread-safe.
class CredentialsFile {
 public:
  explicit CredentialsFile(std::string path) : path_(std::move(path)) {}

  // $XDG_CONFIG_HOME/skytrain/credentials, else $HOME/.config/skytrain/credentials.
  // FAILED_PRECONDITION (NO_HOME) when neither variable is set.
  static absl::StatusOr<std::string> DefaultPath();

  const std::string& path() const { return path_; }

  // Empty: none for this server. PERMISSION_DENIED (UNSAFE_CREDENTIALS), INVALID_ARGUMENT
  // (BAD_CREDENTIALS) for a line that is none.
  absl::StatusOr<std::string> Find(absl::string_view server) const;
  // Replaces that of the same server; makes folder and file. INVALID_ARGUMENT (BAD_TOKEN).
  absl::Status Store(absl::string_view server, absl::string_view token);
  // NOT_FOUND (NOT_LOGGED_IN).
  absl::Status Remove(absl::string_view server);

 private:
  absl::Status Write(absl::string_view text);

  const std::string path_;
};

// Visible ASCII, 4 KiB at most: what fits into a header, and no more. INVALID_ARGUMENT (BAD_TOKEN).
absl::Status CheckToken(absl::string_view token);

}  // namespace skytrain::client
