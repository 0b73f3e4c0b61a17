#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "server/auth/identity.h"
#include "server/auth/peers.h"
#include "server/auth/token_store.h"

namespace skytrain {

// Decides who calls. On a Unix socket the kernel says it, and a token is not looked at. On TCP a
// token counts before a certificate, since whoever sends one means it; with neither the call is
// refused. Admins are root and the daemon's own user on the Unix socket, the owners in
// `auth.admins` however they prove it, and tokens with that role. Thread-safe.
class Authenticator {
 public:
  struct Options {
    Mode mode = Mode::kPersonal;
    uid_t daemon_uid = 0;
    std::vector<std::string> admins;
  };
  Authenticator(Options options, const Peers& peers, TokenStore& tokens, Clock& clock);

  // UNAUTHENTICATED (NO_CREDENTIALS; BAD_TOKEN, TOKEN_REVOKED, TOKEN_EXPIRED; BAD_CERTIFICATE),
  // PERMISSION_DENIED (NOT_SERVED: personal mode, and somebody else).
  absl::StatusOr<Identity> Authenticate(const Credentials& credentials) const;
  // Whether what `identity` was proven by still holds: for calls that last. UNAUTHENTICATED
  // (TOKEN_REVOKED, TOKEN_EXPIRED, CERTIFICATE_EXPIRED).
  absl::Status Recheck(const Identity& identity) const;

  Mode mode() const { return options_.mode; }

 private:
  absl::StatusOr<Identity> FromUnix(const std::string& peer) const;
  absl::StatusOr<Identity> FromToken(const std::string& bearer) const;
  absl::StatusOr<Identity> FromCertificate(const std::string& pem) const;

  const Options options_;
  const std::string daemon_user_;
  const Peers& peers_;
  TokenStore& tokens_;
  Clock& clock_;
};

}  // namespace skytrain
