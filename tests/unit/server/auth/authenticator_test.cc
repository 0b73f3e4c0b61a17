#include "server/auth/authenticator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "common/errors.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

constexpr uid_t kNobody = 65534;
constexpr char kTcp[] = "ipv4:10.0.0.5:40123";

class AuthenticatorTest : public ::testing::Test {
 protected:
  AuthenticatorTest() {
    peers_.Add(7, geteuid());
    peers_.Add(8, kNobody);
  }
  Authenticator Make(Mode mode, std::vector<std::string> admins = {}) {
    return Authenticator({mode, geteuid(), std::move(admins)}, peers_, tokens_, clock_);
  }
  std::string TokenOf(const std::string& owner, bool admin = false) {
    return tokens_.Create(owner, admin, absl::InfiniteFuture(), "").value();
  }

  TempDir dir_;
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  Peers peers_;
  TokenStore tokens_{dir_.path() + "/auth", FileSystem::Posix(), clock_};
  const std::string self_ = UserName(geteuid());
};

TEST_F(AuthenticatorTest, KernelSaysWhoCallsOnAUnixSocket) {
  const Authenticator shared = Make(Mode::kShared);
  const auto self = shared.Authenticate({"fd:7", "", ""});
  ASSERT_TRUE(self.ok()) << self.status();
  EXPECT_EQ(self->owner, self_);
  EXPECT_TRUE(self->admin) << "the daemon's own user";
  const auto nobody = shared.Authenticate({"fd:8", TokenOf("ana", true), ""});
  ASSERT_TRUE(nobody.ok()) << nobody.status();
  EXPECT_EQ(nobody->owner, UserName(kNobody)) << "a token does not count there";
  EXPECT_FALSE(nobody->admin);
  EXPECT_EQ(ReasonOf(shared.Authenticate({"fd:9", "", ""}).status()), "UNKNOWN_PEER");
}

TEST_F(AuthenticatorTest, NothingAtAllIsRefused) {
  const auto status = Make(Mode::kShared).Authenticate({kTcp, "", ""}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReasonOf(status), "NO_CREDENTIALS");
}

TEST_F(AuthenticatorTest, TokenCountsBeforeTheCertificate) {
  const TestAuthority ca("ca");
  const std::string pem = ca.Sign({"ben", {}}).certificate;
  const Authenticator shared = Make(Mode::kShared);
  EXPECT_EQ(shared.Authenticate({kTcp, "", pem})->owner, "ben");
  EXPECT_EQ(shared.Authenticate({kTcp, TokenOf("ana"), pem})->owner, "ana");
  EXPECT_EQ(ReasonOf(shared.Authenticate({kTcp, "sky_wrong", pem}).status()), "BAD_TOKEN");
}

TEST_F(AuthenticatorTest, AdminsAreNamedByConfigurationOrToken) {
  const TestAuthority ca("ca");
  const Authenticator shared = Make(Mode::kShared, {"ana"});
  EXPECT_TRUE(shared.Authenticate({kTcp, TokenOf("ana"), ""})->admin);
  EXPECT_TRUE(shared.Authenticate({kTcp, "", ca.Sign({"ana", {}}).certificate})->admin);
  EXPECT_TRUE(shared.Authenticate({kTcp, TokenOf("ben", true), ""})->admin);
  EXPECT_FALSE(shared.Authenticate({kTcp, TokenOf("ben"), ""})->admin);
  EXPECT_FALSE(shared.Authenticate({kTcp, TokenOf("root"), ""})->admin)
      << "a name proves nothing: only the kernel says who is root";
}

TEST_F(AuthenticatorTest, PersonalDaemonServesItsUserOnly) {
  const Authenticator personal = Make(Mode::kPersonal);
  EXPECT_TRUE(personal.Authenticate({"fd:7", "", ""})->admin);
  EXPECT_EQ(personal.Authenticate({kTcp, TokenOf(self_), ""})->owner, self_);
  const auto status = personal.Authenticate({kTcp, TokenOf("ana"), ""}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonOf(status), "NOT_SERVED");
}

TEST_F(AuthenticatorTest, ProofThatRanOutEndsALongCall) {
  const TestAuthority ca("ca");
  const Authenticator shared = Make(Mode::kShared);
  const auto token = shared.Authenticate({kTcp, TokenOf("ana"), ""});
  const auto certificate = shared.Authenticate(
      {kTcp, "",
       ca.Sign({"ben", {}, absl::UnixEpoch(), clock_.Now() + absl::Hours(1)}).certificate});
  ASSERT_TRUE(token.ok() && certificate.ok());
  EXPECT_TRUE(shared.Recheck(*token).ok());
  EXPECT_TRUE(shared.Recheck(*certificate).ok());
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(tokens_.Revoke(token->token_id).ok());
  EXPECT_EQ(ReasonOf(shared.Recheck(*token)), "TOKEN_REVOKED");
  EXPECT_EQ(ReasonOf(shared.Recheck(*certificate)), "CERTIFICATE_EXPIRED");
}

}  // namespace
}  // namespace skytrain
