#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skytrain {

// Who may use the daemon, and as whom things run.
enum class Mode {
  kPersonal,  // One user, the daemon's own.
  kShared,    // Several owners; everything runs as the daemon's user.
  kSite,      // Several owners; the daemon is root, and everything runs as its owner.
};
// INVALID_ARGUMENT for any other word than "personal", "shared", "site".
absl::StatusOr<Mode> ParseMode(absl::string_view text);
absl::string_view ModeName(Mode mode);

// An owner's name is a user's name as the system allows it: letters, digits, '.', '_', '-', 64 at
// most, no '-' in front. INVALID_ARGUMENT (BAD_OWNER).
absl::Status ValidateOwner(absl::string_view owner);

// Who calls, once that is proven.
struct Identity {
  enum class Proof { kUnixUser, kCertificate, kToken };

  std::string owner;
  bool admin = false;
  Proof proof = Proof::kUnixUser;
  std::string token_id;                        // Of kToken.
  absl::Time expiry = absl::InfiniteFuture();  // Of the token or certificate.
};
absl::string_view ProofName(Identity::Proof proof);  // "unix", "certificate", "token".

// What a call brings to prove who sends it.
struct Credentials {
  std::string peer;         // As gRPC names it: "fd:7" of a Unix socket, "ipv4:10.0.0.5:40123".
  std::string bearer;       // Of the metadata `authorization: Bearer …`; empty: none.
  std::string certificate;  // PEM, verified against tls.client_ca by the handshake; empty: none.
};

}  // namespace skytrain
