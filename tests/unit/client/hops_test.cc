#include "client/api/hops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/api/client.h"
#include "client/exit_code.h"
#include "common/errors.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/client/tls_server.h"

namespace skytrain::client {
namespace {

using ::testing::HasSubstr;

const absl::Time kPast = absl::FromUnixSeconds(1'600'000'000);

Target Tcp(const std::string& host, int port) {
  return *ResolveTarget(absl::StrCat(host, ":", port), {});
}

class HopsTest : public ::testing::Test {
 protected:
  static TlsServer::Options Server(const TestAuthority& ca, CertificateRequest request) {
    TlsServer::Options options;
    options.own = ca.Sign(request);
    return options;
  }
  CertificateRequest Local() const { return {"node", {"DNS:localhost", "IP:127.0.0.1", "IP:::1"}}; }
  TlsFiles Trusting(const TestAuthority& ca) const { return {ca.certificate(), "ca.pem", "", ""}; }

  // The status of a call that goes the same way.
  absl::Status Call(const Target& target, const TlsFiles& files, const std::string& token = "",
                    v1::ServerInfo* info = nullptr) {
    ConnectOptions options;
    options.tls.ca = dir_.File("ca.pem");
    WriteWhole(options.tls.ca, files.roots);
    if (!files.certificate.empty()) {
      options.tls.certificate = dir_.File("own.pem");
      options.tls.key = dir_.File("own.key");
      WriteWhole(options.tls.certificate, files.certificate);
      WriteWhole(options.tls.key, files.key);
    }
    options.token = token;
    options.patience.length = absl::ZeroDuration();
    Interrupt interrupt;
    Client client(target, interrupt, options);
    const absl::StatusOr<v1::ServerInfo> answer = client.GetServerInfo();
    if (answer.ok() && info != nullptr) *info = *answer;
    return answer.status();
  }

  const TestAuthority ca_{"our CA"};
  const TestAuthority other_ca_{"another CA"};
  TempDir dir_;
};

TEST_F(HopsTest, AWayThatIsWholeIsToldHopByHop) {
  TlsServer server(Server(ca_, Local()));
  const std::vector<Hop> hops =
      WalkToServer(Tcp("localhost", server.port()), Trusting(ca_), absl::Seconds(10));
  ASSERT_EQ(hops.size(), 3u);
  for (const Hop& hop : hops) EXPECT_TRUE(hop.status.ok()) << hop.name << ": " << hop.status;
  EXPECT_EQ(hops[0].name, "name");
  EXPECT_EQ(hops[1].name, "port");
  EXPECT_EQ(hops[2].name, "tls");
  EXPECT_THAT(hops[2].detail, HasSubstr("TLSv1.3, certificate of localhost, 127.0.0.1, ::1"));
  EXPECT_EQ(hops[2].expiry, absl::FromUnixSeconds(4'000'000'000));
}

TEST_F(HopsTest, EachFaultOfACertificateHasItsOwnReason) {
  CertificateRequest expired = Local(), early = Local();
  expired.end = kPast;
  early.begin = absl::FromUnixSeconds(3'900'000'000);
  TlsServer::Options wants_ours = Server(ca_, Local());
  wants_ours.client_ca = ca_.certificate();
  TlsFiles bare = Trusting(ca_);
  const auto with = [&](const TestAuthority& signer, absl::Time end) {
    TlsFiles files = Trusting(ca_);
    const KeyAndCertificate own = signer.Sign({"ana", {}, absl::UnixEpoch(), end});
    files.certificate = own.certificate;
    files.key = own.key;
    return files;
  };
  const absl::Time future = absl::FromUnixSeconds(4'000'000'000);
  const struct {
    const char* reason;
    TlsServer::Options server;
    TlsFiles files;
    const char* words;
    ExitCode exit = kExitNotAllowed;
  } kCases[] = {
      {"UNKNOWN_CA", Server(other_ca_, Local()), bare, "none of the CAs in "},
      {"SERVER_CERTIFICATE_EXPIRED", Server(ca_, expired), bare, "expired on 2020-09-13"},
      {"SERVER_CERTIFICATE_NOT_YET_VALID", Server(ca_, early), bare, "is a clock wrong?"},
      {"WRONG_SERVER_NAME", Server(ca_, {"x", {"DNS:gpu07"}}), bare, "is for gpu07, not for 127"},
      {"NO_CLIENT_CERTIFICATE", wants_ours, bare, "--cert FILE --key FILE", kExitUnreachable},
      {"CLIENT_CERTIFICATE_REFUSED", wants_ours, with(other_ca_, future), "does not know the CA",
       kExitUnreachable},
      {"CLIENT_CERTIFICATE_REFUSED", wants_ours, with(ca_, kPast), "it expired on 2020-09-13"},
      {"", wants_ours, with(ca_, future), "", kExitOk},
  };
  for (const auto& test : kCases) {
    TlsServer server(test.server);
    const Target target = Tcp("127.0.0.1", server.port());
    const absl::Status walked = WalkToServer(target, test.files, absl::Seconds(10)).back().status;
    EXPECT_EQ(ReasonOf(walked), test.reason) << walked;
    const absl::Status called = Call(target, test.files);
    EXPECT_EQ(ReasonOf(called), test.reason) << called;
    EXPECT_THAT(std::string(called.message()), HasSubstr(test.words)) << test.reason;
    EXPECT_EQ(ExitCodeOf(called), test.exit) << called;
  }
}

TEST_F(HopsTest, WhatIsNoServerIsNamedWithinTheTimeGiven) {
  using Kind = DumbListener::Kind;
  TlsServer plaintext{TlsServer::Options()};
  DumbListener refuses(Kind::kRefuses), silent(Kind::kSilent), full(Kind::kFull),
      talks(Kind::kTalks);
  const struct {
    const char* reason;
    int port;
  } kCases[] = {{"CONNECTION_REFUSED", refuses.port()},
                {"TLS_TIMED_OUT", silent.port()},
                {"CONNECTION_TIMED_OUT", full.port()},
                {"NOT_TLS", talks.port()},
                {"NOT_TLS", plaintext.port()}};
  for (const auto& test : kCases) {
    const absl::Time start = absl::Now();
    const Target target = Tcp("127.0.0.1", test.port);
    const absl::Status status =
        WalkToServer(target, Trusting(ca_), absl::Milliseconds(300)).back().status;
    EXPECT_EQ(ReasonOf(status), test.reason) << status;
    EXPECT_EQ(ExitCodeOf(status), kExitUnreachable);
    EXPECT_LT(absl::Now() - start, absl::Seconds(5)) << test.reason;
  }
}

// Slow on purpose: these are the times that a user waits.
TEST_F(HopsTest, ACallToABlackHoleFailsInTimeWithTheHopNamed) {
  DumbListener silent(DumbListener::Kind::kSilent), full(DumbListener::Kind::kFull);
  const absl::Time start = absl::Now();
  absl::Status silent_status, full_status;
  std::thread other([&] { full_status = Call(Tcp("127.0.0.1", full.port()), Trusting(ca_)); });
  Interrupt interrupt;
  ConnectOptions options;
  options.patience.length = absl::ZeroDuration();
  options.tls.ca = dir_.File("roots.pem");
  WriteWhole(options.tls.ca, ca_.certificate());
  silent_status =
      Client(Tcp("127.0.0.1", silent.port()), interrupt, options).GetServerInfo().status();
  other.join();
  EXPECT_EQ(ReasonOf(silent_status), "TLS_TIMED_OUT") << silent_status;
  EXPECT_EQ(ReasonOf(full_status), "CONNECTION_TIMED_OUT") << full_status;
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
}

TEST_F(HopsTest, NameThatDoesNotExistIsNamed) {
  const std::vector<Hop> hops =
      WalkToServer(Tcp("no-such-host.invalid", 1), Trusting(ca_), absl::Seconds(10));
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0].name, "name");
  // The latter where no name server can be reached.
  EXPECT_THAT(ReasonOf(hops[0].status), ::testing::AnyOf("NAME_NOT_FOUND", "NO_NAME_SERVER"));
  EXPECT_THAT(std::string(hops[0].status.message()), HasSubstr("no-such-host.invalid"));
}

TEST_F(HopsTest, Ipv6LoopbackWorks) {
  TlsServer::Options options = Server(ca_, Local());
  options.address = "[::1]";
  TlsServer server(options);
  if (server.port() == 0) GTEST_SKIP() << "no IPv6 here";
  const absl::Status status = Call(Tcp("[::1]", server.port()), Trusting(ca_));
  EXPECT_TRUE(status.ok()) << status;
  const std::vector<Hop> hops =
      WalkToServer(Tcp("[::1]", server.port()), Trusting(ca_), absl::Seconds(10));
  EXPECT_TRUE(hops.back().status.ok()) << hops.back().status;
}

TEST_F(HopsTest, ProxiesInTheEnvironmentAreIgnored) {
  DumbListener proxy(DumbListener::Kind::kRefuses);
  TlsServer server(Server(ca_, Local()));
  const std::string url = absl::StrCat("http://127.0.0.1:", proxy.port());
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "HTTP_PROXY",
                           "HTTPS_PROXY", "ALL_PROXY"}) {
    for (const char* except : {"", "example.org", "127.0.0.0/8", "*.example.org,10.0.0.0/8"}) {
      setenv(name, url.c_str(), 1);
      setenv("no_proxy", except, 1);
      const absl::Status status = Call(Tcp("localhost", server.port()), Trusting(ca_));
      EXPECT_TRUE(status.ok()) << name << ", no_proxy '" << except << "': " << status;
      unsetenv(name);
      unsetenv("no_proxy");
    }
  }
}

TEST_F(HopsTest, TokenIsSentAsBearerAndItsRefusalSaysHowToGetAnother) {
  TlsServer::Options options = Server(ca_, Local());
  options.token = "sky_1_secret";
  TlsServer server(options);
  const Target target = Tcp("localhost", server.port());
  v1::ServerInfo info;
  EXPECT_TRUE(Call(target, Trusting(ca_), "sky_1_secret", &info).ok());
  EXPECT_EQ(info.caller(), "Bearer sky_1_secret");
  const std::pair<const char*, const char*> kCases[] = {{"", "NO_CREDENTIALS"},
                                                        {"sky_2_other", "BAD_TOKEN"}};
  for (const auto& [token, reason] : kCases) {
    const absl::Status status = Call(target, Trusting(ca_), token);
    EXPECT_EQ(ReasonOf(status), reason);
    EXPECT_EQ(ExitCodeOf(status), kExitNotAllowed);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("skytrain login --server localhost:", server.port())));
  }
}

TEST_F(HopsTest, WhatAnOldServerLacksExitsWith8AndTheRestWorks) {
  TlsServer server(Server(ca_, Local()));
  ConnectOptions options;
  options.tls.ca = dir_.File("ca.pem");
  WriteWhole(options.tls.ca, ca_.certificate());
  Interrupt interrupt;
  Client client(Tcp("localhost", server.port()), interrupt, options);
  const absl::StatusOr<v1::ServerInfo> info = client.GetServerInfo();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->phase(), v1::ServerInfo::PHASE_UNSPECIFIED);
  for (const absl::Status& status :
       {client.ListDevices().status(), client.GetJob("jobs/a").status()}) {
    EXPECT_EQ(ExitCodeOf(status), kExitVersion) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("it is older than this client"));
  }
}

TEST_F(HopsTest, FilesThatAreNoCertificatesAreNamed) {
  WriteWhole(dir_.File("empty"), "");
  WriteWhole(dir_.File("ca.pem"), ca_.certificate());
  const struct {
    TlsPaths paths;
    const char* words;
  } kCases[] = {
      {{dir_.File("none"), "", ""}, "cannot read CA certificate"},
      {{dir_.File("empty"), "", ""}, "holds no CA certificate"},
      {{dir_.File("ca.pem"), dir_.File("ca.pem"), ""}, "both --cert and --key"},
      {{dir_.File("ca.pem"), dir_.File("ca.pem"), dir_.File("ca.pem")}, "holds no private key"},
  };
  for (const auto& test : kCases) {
    const absl::Status status = ReadTlsFiles(test.paths).status();
    EXPECT_EQ(ReasonOf(status), "BAD_TLS_FILE");
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.words));
  }
}

class SocketHop : public ::testing::Test {
 protected:
  absl::Status Walk(const std::string& path) {
    return WalkToServer(Target::Unix(path), {}, absl::Milliseconds(300)).back().status;
  }
  // A socket bound to `path`; it listens when `backlog` is not negative.
  int Bind(const std::string& path, int backlog) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    if (backlog >= 0) {
      EXPECT_EQ(listen(fd, backlog), 0);
    }
    return fd;
  }

  TempDir dir_;
};

TEST_F(SocketHop, EachFaultOfASocketHasItsOwnReason) {
  WriteWhole(dir_.File("file"), "");
  const int deaf = Bind(dir_.File("deaf"), -1), silent = Bind(dir_.File("silent"), 16);
  const struct {
    const char* path;
    const char* reason;
  } kCases[] = {{"none", "NO_SOCKET"},
                {"file", "NOT_A_SOCKET"},
                {"deaf", "CONNECTION_REFUSED"},
                {"silent", "NO_ANSWER"}};
  for (const auto& test : kCases) {
    const absl::Status status = Walk(dir_.File(test.path));
    EXPECT_EQ(ReasonOf(status), test.reason) << status;
    EXPECT_EQ(ExitCodeOf(status), kExitUnreachable);
    EXPECT_THAT(std::string(status.message()), HasSubstr(dir_.File(test.path)));
  }
  close(deaf);
  close(silent);
}

}  // namespace
}  // namespace skytrain::client
