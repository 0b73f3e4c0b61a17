#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/mutex.h"

namespace skytrain {

// What is kept of a token: never the secret.
struct Token {
  std::string id;      // Eight characters; names the token in `list` and `revoke`.
  std::string sha256;  // Of the whole token, 64 hexadecimal digits.
  std::string owner;
  bool admin = false;
  std::string note;
  absl::Time create_time;
  absl::Time expiry = absl::InfiniteFuture();
  absl::Time revoke_time = absl::InfiniteFuture();
};

// The bearer tokens of a daemon: FOLDER/tokens, one JSON object a line, replaced atomically under a
// lock on FOLDER/tokens.lock. The folder is its user's alone (0700). `skytraind token` writes it; a
// running daemon notices a new file at the next question, so that a revocation counts at once. A
// token reads "sky_<id>_<secret>" with 256 random bits in the secret, so a plain digest of it
// cannot be guessed back. Thread-safe.
class TokenStore {
 public:
  TokenStore(std::string folder, FileSystem& fs, Clock& clock);

  // Stores a token and returns the one copy of its text. INVALID_ARGUMENT (BAD_OWNER, BAD_NOTE).
  absl::StatusOr<std::string> Create(absl::string_view owner, bool admin, absl::Time expiry,
                                     absl::string_view note);
  // Oldest first, revoked ones too.
  absl::StatusOr<std::vector<Token>> List();
  // Again changes nothing. NOT_FOUND (TOKEN_NOT_FOUND).
  absl::Status Revoke(absl::string_view id);

  // The entry of `text`. UNAUTHENTICATED (BAD_TOKEN, TOKEN_REVOKED, TOKEN_EXPIRED).
  absl::StatusOr<Token> Check(absl::string_view text) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether the token `id`, checked before, still holds. The same errors.
  absl::Status Recheck(absl::string_view id) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Tokens = absl::flat_hash_map<std::string, Token>;  // By id.

  // Reads, changes and replaces the file under its lock.
  template <typename Change>
  absl::Status Update(Change change);
  absl::StatusOr<std::vector<Token>> ReadTokens() const;
  // Reads the file again when it is another one than last time.
  absl::Status Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status StillGood(const Token& token) const;

  const std::string folder_;
  FileSystem& fs_;
  Clock& clock_;

  Mutex mu_;
  struct stat seen_ ABSL_GUARDED_BY(mu_) = {};  // The file that tokens_ comes from; zeros: none.
  Tokens tokens_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
