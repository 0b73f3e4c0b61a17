#include "tests/integration/power_loss_daemon.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/blobs/data_names.h"

namespace skytrain {

KeepingDaemon::KeepingDaemon(const std::string& path, FileSystem& fs, const std::string& vfs,
                             Clock& clock)
    : fs_(fs), clock_(clock), tokens_(path + "/auth", fs, clock), world_(path, fs, vfs) {
  world_.SetDaemonFileSystem(fs);
  world_.SetClock(clock);
  world_.OnOpen([this, path](Database& database) {
    models_ = std::make_unique<ModelStore>(path + "/models", database, fs_, clock_);
    UploadStore::Options options;
    options.dir = path + "/blobs";
    options.reserve_bytes = 0;
    auto uploads = UploadStore::Open(options, database, fs_, clock_);
    ASSERT_TRUE(uploads.ok()) << uploads.status();
    uploads_ = *std::move(uploads);
  });
  JobManager::Options& options = world_.options();
  options.poll_interval = absl::Milliseconds(5);
  options.claim_timeout = absl::Seconds(1);
  options.settle_timeout = absl::Seconds(2);
  options.publish_model = [this](const v1::Job& job, int, const std::string& attempt_dir) {
    return models_->Publish(job, attempt_dir);
  };
  options.locate_data = [this](const std::string& owner, v1::Data& data,
                               std::vector<std::string>& roots) {
    return LocateBlobs(*uploads_, nullptr, owner, data, roots);
  };
}

KeepingDaemon::~KeepingDaemon() { world_.Stop(); }

absl::StatusOr<v1::CollectGarbageResponse> KeepingDaemon::Collect(const RetentionPolicy& policy) {
  Collector::Options options;
  options.policy = policy;
  options.attempts_dir = world_.options().attempts_dir;
  options.cache_dir = world_.path() + "/cache";
  return Collector(options, world_.database(), world_.jobs(), *uploads_, fs_, clock_)
      .Collect(/*dry_run=*/false);
}

void KeepingDaemon::LetAttemptsEnd(int attempts) {
  for (int i = 0; i < attempts; ++i) {
    world_.launcher().Then([this](FakeRun& run) { EndAtOnce(run); });
  }
}

void KeepingDaemon::EndAtOnce(FakeRun& run) {
  if (!run.Claim()) return;
  const auto spec = run.dir().ReadSpec();
  ASSERT_TRUE(spec.ok()) << spec.status();
  int64_t step = 0;
  const std::string& from = spec->resume_from();
  if (!from.empty()) {
    ASSERT_TRUE(absl::SimpleAtoi(from.substr(from.rfind('-') + 1), &step)) << from;
  }
  {
    MutexLock lock(mu_);
    resumed_[spec->job_uid()] = step;
  }
  run.StartRank(step);
  const auto control = run.dir().ReadControl();
  const bool stop = control.ok() && control->has_value() &&
                    (*control)->want() == internal::v1::Control::WANT_STOP;
  if (!stop) run.Model();
  run.Result(stop ? v1::STOPPED : v1::COMPLETED);
  run.Exit(stop ? v1::STOPPED : v1::COMPLETED);
}

std::optional<int64_t> KeepingDaemon::ResumedFrom(const std::string& uid) {
  MutexLock lock(mu_);
  const auto found = resumed_.find(uid);
  return found == resumed_.end() ? std::nullopt : std::optional<int64_t>(found->second);
}

}  // namespace skytrain
