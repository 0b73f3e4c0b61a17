#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/mutex.h"
#include "server/auth/token_store.h"
#include "server/blobs/upload_store.h"
#include "server/models/model_store.h"
#include "server/retention/collector.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {

// A clock whose monotonic time runs `factor` times as fast as the real one.
class FastClock : public Clock {
 public:
  explicit FastClock(int factor) : factor_(factor) {}
  absl::Time Now() override { return Clock::Real().Now(); }
  absl::Duration Monotonic() override { return factor_ * Clock::Real().Monotonic(); }

 private:
  const int factor_;
};

// All parts of a daemon that keep something on the disk, connected as in server/skytraind.cc, over
// one folder; attempts follow scripts that write their folders with the real writers, in this
// process.
class KeepingDaemon {
 public:
  KeepingDaemon(const std::string& path, FileSystem& fs, const std::string& vfs, Clock& clock);
  ~KeepingDaemon();

  void Start() { world_.Start(); }
  void Restart() { world_.Restart(); }

  JobWorld& world() { return world_; }
  ModelStore& models() { return *models_; }
  UploadStore& uploads() { return *uploads_; }
  TokenStore& tokens() { return tokens_; }
  absl::StatusOr<v1::CollectGarbageResponse> Collect(const RetentionPolicy& policy);

  // Lets the next `attempts` attempts end at once: as they are asked to, or with a model.
  void LetAttemptsEnd(int attempts);
  // Step from which such an attempt of the job resumed; nullopt: there was none.
  std::optional<int64_t> ResumedFrom(const std::string& uid);

 private:
  void EndAtOnce(FakeRun& run);

  FileSystem& fs_;
  Clock& clock_;
  std::unique_ptr<ModelStore> models_;
  std::unique_ptr<UploadStore> uploads_;
  TokenStore tokens_;
  Mutex mu_;
  std::map<std::string, int64_t> resumed_ ABSL_GUARDED_BY(mu_);
  JobWorld world_;  // Last: its threads use all of the above.
};

}  // namespace skytrain
