// A disk that is full for one operation of the daemon's file system, for each of a job's life.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/fault_injecting_file_system.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

constexpr size_t kNoOperation = 1000;

// Runs a job whose daemon finds the disk full at its operation `n`, and cancels it when `cancel`.
// How many operations there were.
size_t Live(size_t n, bool cancel) {
  SCOPED_TRACE(absl::StrCat("operation ", n));
  FaultInjectingFileSystem fs;
  JobWorld world;
  world.SetDaemonFileSystem(fs);
  for (int i = 0; i < 3; ++i) world.launcher().Then(cancel ? TrainUntilStopped() : TrainOneStep(1));
  world.Start();
  const size_t before = fs.operations().size();
  if (n != kNoOperation) {
    fs.FailOperation(n, absl::ResourceExhaustedError("No space left on device"));
  }
  world.Create("full");
  if (cancel) {
    world.WaitForState("full", v1::RUNNING);
    EXPECT_TRUE(world.jobs().Cancel(JobWorld::kAna, "full").ok());
  }
  const v1::Job job = world.WaitForEnd("full");
  EXPECT_EQ(job.state(), cancel ? v1::CANCELLED : v1::SUCCEEDED) << job.DebugString();
  EXPECT_EQ(world.Events(job.uid()).size(), job.last_seq());
  for (int i = 0; i + 1 < job.attempts_size(); ++i) {
    EXPECT_EQ(job.attempts(i).end(), v1::DISK_FULL) << job.DebugString();
  }
  return fs.operations().size() - before;
}

TEST(DiskFull, AtAnyOperationOfTheDaemonTheJobStillEndsAsItShould) {
  for (const bool cancel : {false, true}) {
    const size_t operations = Live(kNoOperation, cancel);
    EXPECT_GT(operations, 5u);
    for (size_t n = 0; n < operations; ++n) Live(n, cancel);
    RecordProperty(cancel ? "operations_cancelled" : "operations", static_cast<int>(operations));
  }
}

}  // namespace
}  // namespace skytrain
