#include "client/api/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

using ::testing::HasSubstr;

std::string Shown(absl::string_view server, const TargetEnvironment& environment = {}) {
  const absl::StatusOr<Target> target = ResolveTarget(server, environment);
  return target.ok() ? target->shown : absl::StrCat("error: ", target.status().message());
}

TEST(Target, FlagComesBeforeTheEnvironment) {
  TargetEnvironment environment;
  environment.server = "unix:/b";
  EXPECT_EQ(Shown("unix:/a", environment), "unix:/a");
  EXPECT_EQ(Shown("", environment), "unix:/b");
}

TEST(Target, FormsAreTakenApart) {
  using Kind = Target::Kind;
  struct Case {
    const char* server;
    Kind kind;
    const char *user, *host;
    int port;
    const char *path, *shown;
  };
  const Case kCases[] = {
      {"unix:/run/s.sock", Kind::kUnix, "", "", 0, "/run/s.sock", "unix:/run/s.sock"},
      {"gpu07:7447", Kind::kTls, "", "gpu07", 7447, "", "gpu07:7447"},
      {"tls:gpu07:7447", Kind::kTls, "", "gpu07", 7447, "", "gpu07:7447"},
      {"GPU07.Example.org:1", Kind::kTls, "", "gpu07.example.org", 1, "", "gpu07.example.org:1"},
      {"10.0.0.7:65535", Kind::kTls, "", "10.0.0.7", 65535, "", "10.0.0.7:65535"},
      {"[::1]:7447", Kind::kTls, "", "::1", 7447, "", "[::1]:7447"},
      {"ssh://gpu07", Kind::kSsh, "", "gpu07", 0, "", "ssh://gpu07"},
      {"ssh://ana@gpu07", Kind::kSsh, "ana", "gpu07", 0, "", "ssh://ana@gpu07"},
      {"ssh://ana@Node:22/run/s.sock", Kind::kSsh, "ana", "Node", 22, "/run/s.sock",
       "ssh://ana@Node:22/run/s.sock"},
      {"ssh://ana@[fe80::1]:2222/", Kind::kSsh, "ana", "fe80::1", 2222, "",
       "ssh://ana@[fe80::1]:2222/"},
  };
  for (const Case& wanted : kCases) {
    const absl::StatusOr<Target> target = ResolveTarget(wanted.server, {});
    ASSERT_TRUE(target.ok()) << wanted.server << ": " << target.status();
    EXPECT_EQ(target->kind, wanted.kind) << wanted.server;
    EXPECT_EQ(target->user, wanted.user) << wanted.server;
    EXPECT_EQ(target->host, wanted.host) << wanted.server;
    EXPECT_EQ(target->port, wanted.port) << wanted.server;
    EXPECT_EQ(target->path, wanted.path) << wanted.server;
    EXPECT_EQ(target->shown, wanted.shown) << wanted.server;
  }
}

TEST(Target, WhatIsNoServerSaysWhatIs) {
  const std::pair<std::string, const char*> kCases[] = {
      {"gpu07", "names no port"},
      {"gpu07:", "write unix:PATH, HOST:PORT (TLS) or ssh://"},
      {"gpu07:0", "is not a server"},
      {"gpu07:65536", "is not a server"},
      {"gpu07:+1", "is not a server"},
      {":7447", "is not a server"},
      {"-oProxyCommand=x:22", "is not a server"},
      {"::1:7447", "[ADDRESS]:PORT"},
      {"[gpu07]:7447", "is not a server"},
      {"slurm:123", "write unix:PATH"},
      {"https://gpu07:7447", "write unix:PATH"},
      {"/run/skytrain.sock", "write unix:PATH"},
      {"unix:", "is empty"},
      {absl::StrCat("unix:/", std::string(200, 'x')), "at most 107"},
      {"ssh://", "write ssh://"},
      {"ssh://@gpu07", "names no user"},
      {"ssh://-oProxyCommand=x", "write ssh://"},
      {"ssh://-l@gpu07", "names no user"},
      {"ssh://gpu07:x", "write ssh://"},
      {"ssh://gpu 07", "write ssh://"},
      {absl::StrCat("ssh://gpu07/", std::string(200, 'x')), "at most 107"},
  };
  for (const auto& [server, words] : kCases) {
    const absl::StatusOr<Target> target = ResolveTarget(server, {});
    EXPECT_EQ(ReasonOf(target.status()), "BAD_SERVER") << server;
    EXPECT_THAT(std::string(target.status().message()), HasSubstr(words)) << server;
  }
}

TEST(Target, OnlyASocketHereSeesTheCallersFiles) {
  EXPECT_TRUE(ResolveTarget("unix:/a", {})->local());
  EXPECT_FALSE(ResolveTarget("gpu07:1", {})->local());
  EXPECT_FALSE(ResolveTarget("ssh://gpu07", {})->local());
}

class DefaultTarget : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/skytrain-target-XXXXXX";
    root_ = mkdtemp(folder);
    environment_.xdg_runtime_dir = root_ + "/xdg";
    environment_.run_dir = root_ + "/run";
    environment_.home = root_ + "/home";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string MakeSocket(const std::string& folder) {
    std::filesystem::create_directories(root_ + folder);
    const std::string path = root_ + folder + "/skytraind.sock";
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    close(fd);
    return "unix:" + path;
  }

  std::string root_;
  TargetEnvironment environment_;
};

TEST_F(DefaultTarget, FirstSocketInOrderIsTaken) {
  const std::string home = MakeSocket("/home/.skytrain/run");
  EXPECT_EQ(Shown("", environment_), home);
  const std::string run = MakeSocket("/run");
  EXPECT_EQ(Shown("", environment_), run);
  const std::string xdg = MakeSocket("/xdg/skytrain");
  EXPECT_EQ(Shown("", environment_), xdg);
}

TEST_F(DefaultTarget, NoSocketNamesAllPlaces) {
  const absl::StatusOr<Target> target = ResolveTarget("", environment_);
  EXPECT_TRUE(absl::IsUnavailable(target.status()));
  EXPECT_THAT(std::string(target.status().message()),
              HasSubstr(root_ + "/home/.skytrain/run/skytraind.sock"));
}

TEST_F(DefaultTarget, FolderOfSomebodyElseIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to give a folder away";
  MakeSocket("/run");
  ASSERT_EQ(chown((root_ + "/run").c_str(), 12345, 12345), 0);
  const absl::StatusOr<Target> target = ResolveTarget("", environment_);
  EXPECT_TRUE(absl::IsPermissionDenied(target.status()));
  EXPECT_EQ(ReasonOf(target.status()), "UNSAFE_SOCKET");
}

}  // namespace
}  // namespace skytrain::client
