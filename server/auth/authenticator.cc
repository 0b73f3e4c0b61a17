#include "server/auth/authenticator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/auth/certificate.h"

namespace skytrain {

Authenticator::Authenticator(Options options, const Peers& peers, TokenStore& tokens, Clock& clock)
    : options_(std::move(options)),
      daemon_user_(UserName(options_.daemon_uid)),
      peers_(peers),
      tokens_(tokens),
      clock_(clock) {}

absl::StatusOr<Identity> Authenticator::Authenticate(const Credentials& credentials) const {
  absl::StatusOr<Identity> identity;
  if (Peers::IsUnix(credentials.peer)) {
    identity = FromUnix(credentials.peer);
  } else if (!credentials.bearer.empty()) {
    identity = FromToken(credentials.bearer);
  } else if (!credentials.certificate.empty()) {
    identity = FromCertificate(credentials.certificate);
  } else {
    identity = ErrorWithReason(
        absl::StatusCode::kUnauthenticated, "NO_CREDENTIALS",
        "the server does not know who you are: it got neither a token nor a certificate. Run: "
        "skytrain login, or set SKYTRAIN_TOKEN");
  }
  RETURN_IF_ERROR(identity.status());
  if (options_.mode == Mode::kPersonal && identity->owner != daemon_user_) {
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, "NOT_SERVED",
        absl::StrCat("this daemon serves ", daemon_user_, " only (mode: personal), not ",
                     identity->owner, ". Start your own, or ask for one in mode shared or site"));
  }
  identity->admin = identity->admin || options_.mode == Mode::kPersonal ||
                    std::find(options_.admins.begin(), options_.admins.end(), identity->owner) !=
                        options_.admins.end();
  return identity;
}

absl::StatusOr<Identity> Authenticator::FromUnix(const std::string& peer) const {
  ASSIGN_OR_RETURN(Peers::User user, peers_.UserAt(peer));
  Identity identity;
  identity.owner = std::move(user.name);
  identity.admin = user.uid == 0 || user.uid == options_.daemon_uid;
  identity.proof = Identity::Proof::kUnixUser;
  return identity;
}

absl::StatusOr<Identity> Authenticator::FromToken(const std::string& bearer) const {
  ASSIGN_OR_RETURN(Token token, tokens_.Check(bearer));
  Identity identity;
  identity.owner = std::move(token.owner);
  identity.admin = token.admin;
  identity.proof = Identity::Proof::kToken;
  identity.token_id = std::move(token.id);
  identity.expiry = token.expiry;
  return identity;
}

absl::StatusOr<Identity> Authenticator::FromCertificate(const std::string& pem) const {
  ASSIGN_OR_RETURN(CertificateHolder holder, HolderOf(pem));
  Identity identity;
  identity.owner = std::move(holder.owner);
  identity.proof = Identity::Proof::kCertificate;
  identity.expiry = holder.expiry;
  // The handshake looked at the dates, but a connection may outlive them.
  RETURN_IF_ERROR(Recheck(identity));
  return identity;
}

absl::Status Authenticator::Recheck(const Identity& identity) const {
  switch (identity.proof) {
    case Identity::Proof::kUnixUser:
      return absl::OkStatus();
    case Identity::Proof::kToken:
      return tokens_.Recheck(identity.token_id);
    case Identity::Proof::kCertificate:
      if (clock_.Now() < identity.expiry) return absl::OkStatus();
      return ErrorWithReason(absl::StatusCode::kUnauthenticated, "CERTIFICATE_EXPIRED",
                             absl::StrCat("your certificate expired on ",
                                          absl::FormatTime(identity.expiry), ". Get a new one"));
  }
  return absl::OkStatus();
}

}  // namespace skytrain
