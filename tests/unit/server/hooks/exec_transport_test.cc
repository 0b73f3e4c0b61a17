#include "server/hooks/exec_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/process/process.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

HookRow Row() {
  HookRow row;
  row.hook = "notify";
  row.job_uid = "u1";
  row.job_id = "galaxies";
  row.seq = 7;
  row.payload = R"({"from":"RUNNING","to":"FAILED","job":{"owner":"ana"}})";
  return row;
}

class ExecTransportTest : public ::testing::Test {
 protected:
  absl::Status Run(const std::string& script, absl::Duration timeout = absl::Seconds(20),
                   int cancel_fd = -1) {
    return ExecTransport({"/bin/sh", "-c", script, "hook", dir_.path()}, timeout)
        .Deliver(Row(), cancel_fd);
  }
  // The pid that a script wrote to `pid`, as soon as it is there.
  int AwaitPid() {
    int pid = 0;
    for (int tries = 0; tries < 2000 && !(std::ifstream(dir_.File("pid")) >> pid); ++tries) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    return pid;
  }

  TempDir dir_;
};

TEST_F(ExecTransportTest, ProgramGetsPayloadAndACleanEnvironment) {
  setenv("SKYTRAIN_LEAK", "secret", 1);
  const absl::Status status =
      Run(R"(cat > "$1/in"; env > "$1/env"; pwd > "$1/pwd"; echo "$@" > "$1/args")");
  unsetenv("SKYTRAIN_LEAK");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadWhole(dir_.File("in")), Row().payload);
  EXPECT_EQ(ReadWhole(dir_.File("pwd")), "/\n");
  const std::string env = ReadWhole(dir_.File("env"));
  EXPECT_THAT(std::vector<std::string>(absl::StrSplit(env, '\n')),
              IsSupersetOf({"SKYTRAIN_HOOK=notify", "SKYTRAIN_DELIVERY=u1/7/notify",
                            "SKYTRAIN_JOB=galaxies", "SKYTRAIN_JOB_UID=u1", "SKYTRAIN_OWNER=ana",
                            "SKYTRAIN_FROM=RUNNING", "SKYTRAIN_TO=FAILED"}));
  EXPECT_THAT(env, ::testing::Not(HasSubstr("SKYTRAIN_LEAK")));
}

TEST_F(ExecTransportTest, ProgramNeedNotReadItsInput) { EXPECT_TRUE(Run("exit 0").ok()); }

TEST_F(ExecTransportTest, FailureSaysHowAndWhatTheProgramSaidLast) {
  const absl::Status failed = Run("echo first; echo no such channel >&2; exit 3");
  EXPECT_TRUE(absl::IsUnavailable(failed));
  EXPECT_EQ(failed.message(), "ended with exit code 3; its output ends: first\nno such channel");
  EXPECT_EQ(Run("kill -SEGV $$").message(), "was ended by signal 11");
  const absl::Status absent =
      ExecTransport({"/no/such/program"}, absl::Seconds(1)).Deliver(Row(), -1);
  EXPECT_TRUE(absl::IsUnavailable(absent));
  EXPECT_THAT(std::string(absent.message()), HasSubstr("/no/such/program"));
}

TEST_F(ExecTransportTest, OutputWithoutAnEndIsReadAndItsEndKept) {
  const absl::Status failed = Run("yes no | head -c 5000000; echo; echo THE END; exit 1");
  EXPECT_THAT(std::string(failed.message()), EndsWith("THE END"));
  EXPECT_LT(failed.message().size(), 1200u);
}

TEST_F(ExecTransportTest, AtTheTimeoutTheWholeGroupIsEnded) {
  const absl::Status late =
      Run(R"(sleep 1000 & echo $! > "$1/p"; mv "$1/p" "$1/pid"; wait)", absl::Seconds(1));
  EXPECT_TRUE(absl::IsUnavailable(late));
  EXPECT_THAT(std::string(late.message()), HasSubstr("did not end within 1s"));
  const int pid = AwaitPid();
  ASSERT_GT(pid, 0);
  for (int tries = 0; tries < 2000 && Identify(pid).ok(); ++tries) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_FALSE(Identify(pid).ok()) << "the program's child lives on";
}

TEST_F(ExecTransportTest, ThatHeedsNoSignalIsKilled) {
  const absl::Time start = absl::Now();
  const absl::Status late = Run("trap '' TERM; while :; do sleep 0.05; done", absl::Seconds(1));
  EXPECT_TRUE(absl::IsUnavailable(late));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(ExecTransportTest, CancellationEndsItSoon) {
  const int cancel = eventfd(0, EFD_CLOEXEC);
  std::thread canceller([&] {
    AwaitPid();
    eventfd_write(cancel, 1);
  });
  const absl::Time start = absl::Now();
  const absl::Status status =
      Run(R"(echo $$ > "$1/p"; mv "$1/p" "$1/pid"; exec sleep 1000)", absl::Minutes(10), cancel);
  canceller.join();
  close(cancel);
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST_F(ExecTransportTest, AChildInTheBackgroundDoesNotHoldUpTheDelivery) {
  const absl::Time start = absl::Now();
  EXPECT_TRUE(Run(R"(yes & echo $! > "$1/p"; mv "$1/p" "$1/pid")").ok());
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  kill(AwaitPid(), SIGKILL);
}

}  // namespace
}  // namespace skytrain
