// Owners over TCP: who gets in, who does not, and what each is told.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "grpcpp/create_channel.h"
#include "tests/integration/daemon.h"
#include "tests/integration/tls_world.h"

namespace skytrain {
namespace {

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = daemon_.Start();
    ASSERT_TRUE(started.ok()) << started;
    ASSERT_NE(daemon_.TlsAddress(), "");
  }
  absl::StatusOr<v1::ServerInfo> Ask(const TlsClient& client) const {
    return TlsWorld::Ask(daemon_.TlsAddress(), client);
  }

  TlsWorld world_;
  Daemon daemon_{world_.Flags()};
};

TEST_F(TlsTest, OwnerComesFromTheTokenOrTheCertificate) {
  const auto token = Ask(world_.Client(TlsWorld::Token(daemon_, "ana", {"--expires", "1d"})));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->caller(), "ana");
  EXPECT_EQ(token->role(), "user");
  EXPECT_EQ(token->mode(), "shared");
  EXPECT_TRUE(token->has_credential_expiry());
  EXPECT_EQ(token->certificate_expiry().seconds(), 4'000'000'000);

  TlsClient client = world_.Client();
  client.own = world_.ca.Sign({"ben", {}});
  const auto certificate = Ask(client);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_EQ(certificate->caller(), "ben");

  const auto admin = Ask(world_.Client(TlsWorld::Token(daemon_, "cleo", {"--role", "admin"})));
  ASSERT_TRUE(admin.ok()) << admin.status();
  EXPECT_EQ(admin->role(), "admin");
  EXPECT_FALSE(admin->has_credential_expiry());
}

TEST_F(TlsTest, EveryWrongCredentialIsToldApart) {
  const std::string revoked = TlsWorld::Token(daemon_, "ana");
  TlsWorld::Revoke(daemon_, revoked);
  const struct {
    const char* what;
    std::string token;
    const char* reason;
  } kCases[] = {
      {"nothing", "", "NO_CREDENTIALS"},
      {"made up", "sky_aaaaaaaa_bbbb", "BAD_TOKEN"},
      {"revoked", revoked, "TOKEN_REVOKED"},
      {"expired", TlsWorld::Token(daemon_, "ana", {"--expires", "0"}), "TOKEN_EXPIRED"},
  };
  for (const auto& test : kCases) {
    const auto info = Ask(world_.Client(test.token));
    EXPECT_EQ(info.status().code(), absl::StatusCode::kUnauthenticated) << test.what;
    EXPECT_EQ(ReasonOf(info.status()), test.reason) << test.what;
  }
}

TEST_F(TlsTest, ConnectionsThatCannotBeTrustedAreNotMade) {
  const std::string token = TlsWorld::Token(daemon_, "ana");
  const TestAuthority stranger("another CA");
  TlsClient wrong_ca = world_.Client(token);
  wrong_ca.ca = stranger.certificate();
  TlsClient wrong_name = world_.Client(token);
  wrong_name.server_name = "elsewhere.example.org";
  TlsClient foreign_certificate = world_.Client(token);
  foreign_certificate.own = stranger.Sign({"ben", {}});
  TlsClient expired_certificate = world_.Client(token);
  expired_certificate.own =
      world_.ca.Sign({"ben", {}, absl::UnixEpoch(), absl::FromUnixSeconds(1'600'000'000)});
  for (const auto& [what, client] :
       {std::pair{"wrong CA", wrong_ca}, std::pair{"wrong name", wrong_name},
        std::pair{"certificate of a foreign CA", foreign_certificate},
        std::pair{"expired certificate", expired_certificate}}) {
    EXPECT_EQ(Ask(client).status().code(), absl::StatusCode::kUnavailable) << what;
  }
  // Without encryption nothing is answered.
  const auto stub = v1::NodeService::NewStub(
      grpc::CreateChannel(daemon_.TlsAddress(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::ServerInfo info;
  EXPECT_EQ(stub->GetServerInfo(&context, {}, &info).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Ask(world_.Client(token)).ok()) << "the daemon serves on";
}

TEST_F(TlsTest, OtherPeoplesJobsDoNotExist) {
  JobClient ana(
      TlsWorld::Connect(daemon_.TlsAddress(), world_.Client(TlsWorld::Token(daemon_, "ana"))));
  JobClient ben(
      TlsWorld::Connect(daemon_.TlsAddress(), world_.Client(TlsWorld::Token(daemon_, "ben"))));
  JobClient daemon_user(daemon_.Connect());
  const auto job = ana.Create({{"epochs", "1"}});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->owner(), "ana");
  EXPECT_EQ(ReasonOf(ben.Get(job->name()).status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(ben.Cancel(job->name()).status()), "JOB_NOT_FOUND");
  EXPECT_TRUE(daemon_user.Get(job->name()).ok()) << "an admin sees all";
  EXPECT_EQ(ana.Wait(job->name())->state(), v1::SUCCEEDED);
}

TEST_F(TlsTest, AuditLogTellsWhoChangedWhatAndWhoWasRefused) {
  const std::string token = TlsWorld::Token(daemon_, "ana");
  JobClient ana(TlsWorld::Connect(daemon_.TlsAddress(), world_.Client(token)));
  JobClient ben(
      TlsWorld::Connect(daemon_.TlsAddress(), world_.Client(TlsWorld::Token(daemon_, "ben"))));
  const auto job = ana.Create({});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_TRUE(ana.Get(job->name()).ok());
  ASSERT_FALSE(ben.Cancel(job->name()).ok());
  ASSERT_FALSE(Ask(world_.Client("sky_aaaaaaaa_bbbb")).ok());

  std::vector<std::string> seen;  // Before the answers: nothing to wait for.
  std::istringstream lines(ReadWhole(daemon_.root() + "/state/audit.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_TRUE(absl::StartsWith(json.value("peer", ""), "ipv4:127.0.0.1:")) << line;
    seen.push_back(absl::StrCat(json.value("caller", ""), " ", json.value("proof", "?"), " ",
                                json.value("method", ""), " ", json.value("resource", ""), " ",
                                json.value("result", ""), " ", json.value("reason", "")));
  }
  ASSERT_EQ(seen.size(), 3u) << absl::StrJoin(seen, "\n");
  EXPECT_EQ(seen[0], absl::StrCat("ana token ", token.substr(0, 12), " JobService/CreateJob ",
                                  job->name(), " OK "));
  EXPECT_TRUE(absl::StrContains(seen[1], "JobService/CancelJob " + job->name() + " NOT_FOUND"))
      << seen[1];
  EXPECT_EQ(seen[2], "  NodeService/GetServerInfo  UNAUTHENTICATED BAD_TOKEN");
}

TEST_F(TlsTest, RevocationEndsAWatchThatIsUnderWay) {
  const std::string token = TlsWorld::Token(daemon_, "ana");
  JobClient ana(TlsWorld::Connect(daemon_.TlsAddress(), world_.Client(token)));
  const auto job = ana.Create({{"hang", "1"}});
  ASSERT_TRUE(job.ok()) << job.status();
  v1::WatchEventsRequest request;
  request.set_name(job->name());
  request.set_follow(true);
  bool revoked = false;
  const absl::Status ended = ana.Watch(request, [&](const v1::WatchEventsResponse&) {
    if (!std::exchange(revoked, true)) TlsWorld::Revoke(daemon_, token);
    return true;
  });
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnauthenticated) << ended;
  EXPECT_EQ(ReasonOf(ended), "TOKEN_REVOKED");
}

TEST_F(TlsTest, ReplacedCertificateIsServedWithoutARestart) {
  const TlsClient client = world_.Client(TlsWorld::Token(daemon_, "ana"));
  TlsClient renamed = client;
  renamed.server_name = "renamed.example.org";
  const auto before = TlsWorld::Connect(daemon_.TlsAddress(), client);
  JobClient old_connection(before);
  const auto job = old_connection.Create({});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_FALSE(Ask(renamed).ok());
  world_.Serve({"node", {"DNS:renamed.example.org"}});
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (!Ask(renamed).ok() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(200));
  EXPECT_TRUE(Ask(renamed).ok());
  EXPECT_FALSE(Ask(client).ok()) << "the old name is gone for new connections";
  EXPECT_TRUE(old_connection.Get(job->name()).ok()) << "connections under way go on";
}

TEST(TlsStartTest, FilesAndPortsThatCannotBeServedEndTheStart) {
  TlsWorld world;
  Daemon first(world.Flags());
  ASSERT_TRUE(first.Start().ok());
  std::vector<std::string> flags = world.Flags();
  flags[1] = "tls:" + first.TlsAddress();
  const absl::Status taken = Daemon(flags).Start();
  EXPECT_TRUE(absl::StrContains(taken.message(), "cannot listen on " + flags[1])) << taken;

  world.Serve({"node", {}, absl::UnixEpoch(), absl::FromUnixSeconds(1'600'000'000)});
  const absl::Status expired = Daemon(world.Flags()).Start();
  EXPECT_TRUE(absl::StrContains(expired.message(), "expired")) << expired;
}

}  // namespace
}  // namespace skytrain
