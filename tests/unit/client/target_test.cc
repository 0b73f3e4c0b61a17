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

std::string Uri(absl::string_view server, const TargetEnvironment& environment = {}) {
  const absl::StatusOr<Target> target = ResolveTarget(server, environment);
  return target.ok() ? target->uri : absl::StrCat("error: ", target.status().message());
}

TEST(Target, FlagComesBeforeTheEnvironment) {
  TargetEnvironment environment;
  environment.server = "unix:/b";
  EXPECT_EQ(Uri("unix:/a", environment), "unix:/a");
  EXPECT_EQ(Uri("", environment), "unix:/b");
}

TEST(Target, WhatIsNotSupportedYetSaysSo) {
  for (const char* server : {"gpu07:7447", "ssh://ana@gpu07", "slurm:123"}) {
    const absl::StatusOr<Target> target = ResolveTarget(server, {});
    EXPECT_TRUE(absl::IsInvalidArgument(target.status()));
    EXPECT_THAT(std::string(target.status().message()), HasSubstr("is not supported yet"));
  }
  EXPECT_THAT(Uri("gpu07"), HasSubstr("write unix:PATH"));
  EXPECT_THAT(Uri("unix:"), HasSubstr("is empty"));
  EXPECT_THAT(Uri(absl::StrCat("unix:/", std::string(200, 'x'))), HasSubstr("at most 107"));
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
  EXPECT_EQ(Uri("", environment_), home);
  const std::string run = MakeSocket("/run");
  EXPECT_EQ(Uri("", environment_), run);
  const std::string xdg = MakeSocket("/xdg/skytrain");
  EXPECT_EQ(Uri("", environment_), xdg);
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
