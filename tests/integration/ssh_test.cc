// --server ssh://NODE, with a real sshd: submit, follow over killed connections, and each way in
// which it cannot work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/api/watch.h"
#include "client/exit_code.h"
#include "common/errors.h"
#include "tests/integration/daemon.h"
#include "tests/support/ssh_server.h"

namespace skytrain::client {
namespace {

using ::testing::HasSubstr;

class Collector : public WatchObserver {
 public:
  void OnEvent(const v1::Event& event) override {
    events.push_back(event.SerializeAsString());
    on_event();
  }
  void OnLinkLost(absl::string_view) override { ++lost; }
  void OnLinkBack(absl::Duration, int64_t, int64_t) override { ++back; }

  std::vector<std::string> events;
  int lost = 0, back = 0;
  std::function<void()> on_event = [] {};
};

class SshTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status ssh = ssh_.Start();
    if (absl::IsUnavailable(ssh)) GTEST_SKIP() << ssh.message();
    ASSERT_TRUE(ssh.ok()) << ssh;
    const absl::Status daemon = daemon_.Start();
    ASSERT_TRUE(daemon.ok()) << daemon;
    options_.ssh.command = ssh_.Command();
    options_.ssh.remote = SKYTRAIN_BIN_DIR "/skytrain";
    options_.patience.length = absl::ZeroDuration();
  }

  Target ToNode(const std::string& socket) const {
    return *ResolveTarget(absl::StrCat("ssh://127.0.0.1:", ssh_.port(), socket), {});
  }

  absl::Status Ask() { return AskAt(ToNode(daemon_.SocketPath())); }
  absl::Status AskAt(const Target& target) {
    return Client(target, interrupt_, options_).GetServerInfo().status();
  }

  // Follows a job and breaks the connection in the middle.
  void FollowOverABreak() {
    options_.ssh.may_prompt = true;
    Client client(ToNode(daemon_.SocketPath()), interrupt_, options_);
    v1::CreateJobRequest request =
        IrisRequest({{"epochs", "4"}, {"steps", "50"}, {"step_ms", "5"}});
    request.set_request_id("once");
    const absl::StatusOr<v1::CreateJobResponse> created = client.CreateJob(request);
    ASSERT_TRUE(created.ok()) << created.status();
    Collector collector;
    int killed = 0;
    collector.on_event = [&] {
      if (collector.events.size() == 60) killed = ssh_.KillClients();
    };
    WatchOptions watch;
    watch.job = created->job().name();
    const absl::Status status = Watch(client, std::move(watch), collector);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_GE(killed, 1);
    EXPECT_EQ(collector.lost, 1);
    EXPECT_EQ(collector.back, 1);
    const auto stored = JobClient(daemon_.Connect()).Events(created->job().name(), 0, false);
    ASSERT_TRUE(stored.ok()) << stored.status();
    ASSERT_EQ(collector.events.size(), stored->size());
    for (size_t i = 0; i < stored->size(); ++i) {
      EXPECT_EQ(collector.events[i], (*stored)[i].SerializeAsString());
    }
  }

  SshServer ssh_;
  Daemon daemon_;
  Interrupt interrupt_;
  ConnectOptions options_;
};

TEST_F(SshTest, AWatchGoesOnWithANewSshThatAsksNothing) {
  FollowOverABreak();
  EXPECT_EQ(ssh_.Clients(), 0) << "no ssh is left, not even as a zombie";
  const std::vector<std::string> calls = ssh_.Calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_THAT(calls[0], HasSubstr("BatchMode=no"));
  EXPECT_THAT(calls[1], HasSubstr("BatchMode=yes"));
}

TEST_F(SshTest, AConnectionIsSharedAndAReconnectUsesItOrMakesItAnew) {
  options_.ssh.control_folder = ssh_.ControlFolder();
  EXPECT_TRUE(Ask().ok());
  // The master stays for a minute; with it nobody has to prove again who they are.
  ssh_.Forget();
  const absl::Status shared = Ask();
  EXPECT_TRUE(shared.ok()) << shared;
  ssh_.KillClients();
  EXPECT_EQ(ReasonOf(Ask()), "SSH_REFUSED");
}

TEST_F(SshTest, AWatchOverASharedConnectionGoesOnToo) {
  options_.ssh.control_folder = ssh_.ControlFolder();
  FollowOverABreak();
}

TEST_F(SshTest, TheWayNamesTheSocketOnTheNode) {
  Client client(ToNode(daemon_.SocketPath()), interrupt_, options_);
  ASSERT_TRUE(client.GetServerInfo().ok());
  EXPECT_EQ(client.Way(), "connected to " + daemon_.SocketPath());
}

TEST_F(SshTest, WithoutATerminalNothingIsAsked) {
  EXPECT_TRUE(Ask().ok());
  EXPECT_THAT(ssh_.Calls().back(), HasSubstr("BatchMode=yes"));
}

TEST_F(SshTest, WhatCannotWorkIsToldInSshsOwnWords) {
  const std::string socket = daemon_.SocketPath();
  absl::Status status = AskAt(ToNode("/tmp/no-such-socket"));
  EXPECT_EQ(ReasonOf(status), "NODE_HAS_NO_DAEMON") << status;
  EXPECT_EQ(ExitCodeOf(status), kExitUnreachable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/tmp/no-such-socket"));

  options_.ssh.remote = "/no/such/skytrain";
  status = Ask();
  EXPECT_EQ(ReasonOf(status), "NOT_INSTALLED") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("SKYTRAIN_REMOTE"));
  options_.ssh.remote = "echo Welcome to the node; " SKYTRAIN_BIN_DIR "/skytrain";
  status = Ask();
  EXPECT_EQ(ReasonOf(status), "SSH_FAILED") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("Welcome to the node"));
  options_.ssh.remote = SKYTRAIN_BIN_DIR "/skytrain";

  status = AskAt(*ResolveTarget(absl::StrCat("ssh://127.0.0.1:1", socket), {}));
  EXPECT_EQ(ReasonOf(status), "SSH_LINK_LOST") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("Connection refused"));

  const absl::Status changed = ssh_.ChangeHostKey();
  ASSERT_TRUE(changed.ok()) << changed;
  status = Ask();
  EXPECT_EQ(ReasonOf(status), "SSH_REFUSED") << status;
  EXPECT_EQ(ExitCodeOf(status), kExitNotAllowed);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Host key verification failed"));

  ssh_.Forget();
  options_.ssh.command = {"no-such-ssh"};
  EXPECT_EQ(ReasonOf(Ask()), "BAD_SSH_COMMAND");
  EXPECT_EQ(ssh_.Clients(), 0);
}

}  // namespace
}  // namespace skytrain::client
