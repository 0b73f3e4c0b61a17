#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/attempt/attempt_dir.h"
#include "common/attempt/attempt_reader.h"
#include "common/process/process.h"
#include "skytrain/internal/v1/record.pb.h"
#include "skytrain/v1/event.pb.h"
#include "tests/support/temp_dir.h"

namespace skytrain {

inline bool Eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// An attempt folder, the real shepherd, the fake worker.
class ShepherdFixture : public ::testing::Test {
 protected:
  using Labels = std::map<std::string, std::string>;

  TempDir temp_;
  AttemptDir dir_{FileSystem::Posix(), temp_.File("job-1")};
  internal::v1::AttemptSpec spec_;
  std::vector<int> children_;

  ShepherdFixture() {
    spec_.set_job_name("jobs/fake");
    spec_.set_job_uid("uid");
    spec_.set_number(1);
    spec_.set_build("test");
    spec_.set_worker_binary(SKYTRAIN_BIN_DIR "/skytrain-fake-worker");
    spec_.set_threads(1);
    spec_.set_world_size(1);
    spec_.mutable_limits()->mutable_grace()->set_seconds(20);
  }
  ~ShepherdFixture() override {
    for (const int pid : children_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  void Create(const Labels& labels) {
    spec_.mutable_experiment()->mutable_labels()->insert(labels.begin(), labels.end());
    const absl::Status status = dir_.Create(spec_);
    ASSERT_TRUE(status.ok()) << status;
  }

  int StartShepherd() {
    SpawnOptions options;
    options.argv = {SKYTRAIN_BIN_DIR "/skytrain-shepherd", "--attempt", dir_.path()};
    options.environment = {"PATH=/usr/bin:/bin"};
    options.stderr_fd = 2;
    options.blocked_signals = {SIGTERM, SIGUSR1};
    const auto pid = Spawn(options);
    EXPECT_TRUE(pid.ok()) << pid.status();
    if (pid.ok()) children_.push_back(*pid);
    return pid.value_or(-1);
  }

  // Its exit code.
  int WaitFor(int pid) {
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    std::erase(children_, pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  internal::v1::ExitRecord RunToEnd() {
    EXPECT_EQ(WaitFor(StartShepherd()), 0);
    return Exit();
  }

  internal::v1::ExitRecord Exit() {
    const auto record = dir_.ReadExit();
    EXPECT_TRUE(record.ok() && record->has_value()) << record.status();
    return record.ok() && record->has_value() ? **record : internal::v1::ExitRecord();
  }

  void Want(internal::v1::Control::Want want, int64_t generation) {
    internal::v1::Control control;
    control.set_generation(generation);
    control.set_want(want);
    control.set_cause(internal::v1::Control::CAUSE_USER);
    const absl::Status status = dir_.WriteControl(control);
    ASSERT_TRUE(status.ok()) << status;
  }

  std::vector<v1::Event> Events() {
    std::vector<v1::Event> events;
    ForEachFrame([&](const AttemptFrame& frame) {
      if (frame.type != FrameType::kEvent) return;
      EXPECT_TRUE(events.emplace_back().ParseFromArray(frame.payload.data(),
                                                       static_cast<int>(frame.payload.size())));
    });
    return events;
  }

  std::vector<internal::v1::Record> Records() {
    std::vector<internal::v1::Record> records;
    ForEachFrame([&](const AttemptFrame& frame) {
      if (frame.type != FrameType::kRecord) return;
      EXPECT_TRUE(records.emplace_back().ParseFromArray(frame.payload.data(),
                                                        static_cast<int>(frame.payload.size())));
    });
    return records;
  }

  // What `rank` printed on `stream`; -1: what the shepherd said.
  std::string Log(int rank, v1::LogChunk::Stream stream) {
    std::string text;
    for (const v1::Event& event : Events()) {
      if (event.has_log() && event.log().rank() == rank && event.log().stream() == stream) {
        text += event.log().data();
      }
    }
    return text;
  }

  // Pid of a rank once it has said so; else that of no process (0 and -1 mean many to kill(2)).
  int RankPid(int rank) {
    constexpr int kNone = std::numeric_limits<int>::max();
    int pid = kNone;
    EXPECT_TRUE(Eventually([&] {
      for (const auto& record : Records()) {
        if (record.has_rank_started() && record.rank_started().rank() == rank) {
          pid = record.rank_started().process().pid();
        }
      }
      return pid != kNone;
    }));
    return pid;
  }

 private:
  void ForEachFrame(const std::function<void(const AttemptFrame&)>& visit) {
    AttemptReader reader(dir_);
    const auto count = reader.Poll(UINT64_MAX, [&](const AttemptFrame& frame) {
      visit(frame);
      return absl::OkStatus();
    });
    EXPECT_TRUE(count.ok()) << count.status();
  }
};

}  // namespace skytrain
