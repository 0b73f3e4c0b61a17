#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/mutex.h"
#include "gtest/gtest.h"
#include "server/events/event_hub.h"
#include "tests/integration/power_loss_daemon.h"
#include "tests/support/disk_log.h"
#include "tests/support/recording_disk.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vfs_shim.h"

namespace skytrain {

// A client of a daemon whose disk is recorded. The client notes what it was told, and when, counted
// in operations of the disk. Afterwards the power is lost before each sync of that life and at its
// end, in each of the ways of DiskImage::Loss; a daemon starts on what is left, after a boot; and
// what the client had been told by then has to hold.
class PowerLossTest : public testing::Test {
 protected:
  using Check = std::function<void(KeepingDaemon&)>;
  using Promise = size_t;

  PowerLossTest();
  ~PowerLossTest() override;

  KeepingDaemon& daemon() { return daemon_; }
  JobWorld& world() { return daemon_.world(); }
  // For scripts, which may outlive a test that fails early.
  Steps& steps() { return steps_; }
  // Kills the daemon and starts another one.
  void RestartDaemon();

  // From now on `holds` must hold on a daemon that has started, and `in_the_end` when its jobs have
  // come to rest. Both may be empty.
  Promise Told(std::string what, Check holds, Check in_the_end = nullptr);
  // The client is about to ask for something else.
  void TakeBack(Promise promise);

  // Submits with request id `id` and watches. What follows from the stream is checked for each job:
  // every event that was sent is there byte for byte, the job is the fold of its events, its model
  // is whole, its checkpoints are whole and a resume takes the newest.
  v1::Job Submit(const std::string& id, const std::string& dataset = "/data/galaxies");
  // The client is about to ask for the removal of all but the newest checkpoint, of the events, or
  // of the job.
  enum class Removal { kOldCheckpoints, kEvents, kJob };
  void AboutToRemove(const v1::Job& job, Removal removal);

  // Loses the power again and again. Fails the test for the first disks that break a promise.
  void LosePowerEverywhere();

 private:
  static constexpr size_t kNever = std::numeric_limits<size_t>::max();
  struct Promised {
    std::string what;
    size_t from, until = kNever;
    Check holds, in_the_end;
  };
  struct Watched {
    v1::Job job;
    size_t created;
    size_t removed[3] = {kNever, kNever, kNever};  // By Removal.
    std::vector<std::pair<size_t, int64_t>> told;  // When, up to which seq.
    std::vector<v1::Event> events;
    std::unique_ptr<EventHub::Subscription> subscription;

    bool Holds(Removal removal, size_t at) const { return at < removed[static_cast<int>(removal)]; }
    int64_t SeqAt(size_t at) const;  // Sent by then.
  };
  struct Loss {
    size_t at;
    DiskImage::Loss loss;
    std::string before;  // The operation that did not come to be.
    std::map<std::string, std::string> files;
  };

  void Watch(Watched& watched);
  size_t PromisesAt(size_t at) const;
  void Replay(const Loss& loss);
  void CheckJob(const Watched& watched, size_t at, KeepingDaemon& daemon);
  void CheckTold(const Watched& watched, size_t at, KeepingDaemon& daemon);

  TempDir dir_;
  DiskLog log_;
  RecordingFileSystem fs_;
  RecordingVfsObserver observer_;
  VfsShim shim_;
  Steps steps_;
  Mutex mu_;
  std::vector<Promised> promises_;
  std::vector<std::unique_ptr<Watched>> watched_;  // `told` under mu_ while the daemon runs.
  KeepingDaemon daemon_;
};

}  // namespace skytrain
