#include "server/retention/collector.h"

#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/file/trash.h"
#include "common/ids.h"
#include "common/page.h"
#include "common/status_macros.h"
#include "common/timestamp.h"
#include "server/accounts/owner_links.h"
#include "server/blobs/data_names.h"
#include "server/jobs/attempt_plan.h"
#include "server/retention/inventory.h"
#include "server/store/event_rows.h"

namespace skytrain {
namespace {

constexpr int64_t kBatchesPerWrite = 16;  // About 1 MiB.
constexpr int64_t kGarbageBytes = 24;     // Of an item in the answer, at most, beside its texts.

std::string Text(absl::Duration duration) {
  const int64_t days = duration / absl::Hours(24);
  return days > 0 ? absl::StrCat(days, days == 1 ? " day" : " days")
                  : absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

// Whoever uses an entry of the cache holds a shared lock on it.
bool IsOpen(FileSystem& fs, const std::string& path) {
  const auto fd = fs.Open(path, FileSystem::Access::kRead);
  if (!fd.ok()) return false;
  const bool locked = flock(*fd, LOCK_EX | LOCK_NB) != 0;
  close(*fd);
  return locked;
}

// One collection.
class Collection {
 public:
  Collection(const Collector::Options& options, Database& database, JobManager& jobs,
             UploadStore& uploads, FileSystem& fs, absl::Time now, bool dry_run)
      : options_(options),
        database_(database),
        jobs_(jobs),
        uploads_(uploads),
        fs_(fs),
        trash_(fs, TrashPath(options.attempts_dir)),
        now_(now),
        dry_run_(dry_run) {}

  absl::StatusOr<v1::CollectGarbageResponse> Run() {
    ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs, FinishedJobs(database_));
    for (const v1::Job& job : jobs) {
      if (!JobItself(job)) PartsOf(job);
    }
    Orphans();
    Uploads();
    Cache();
    if (!dry_run_ && !options_.inputs_dir.empty()) RemoveLeftLinks(options_.inputs_dir);
    return std::move(response_);
  }

 private:
  // What is removed, why, and how. True: it is, or would be, gone.
  template <typename Remove>
  bool Take(std::string what, std::string reason, int64_t bytes, Remove remove) {
    if (!dry_run_) {
      if (const absl::Status removed = remove(); !removed.ok()) {
        Log(absl::StrCat(what, " stays: ", removed.message()));
        return false;
      }
    }
    response_.set_items(response_.items() + 1);
    response_.set_bytes(response_.bytes() + bytes);
    answer_bytes_ += static_cast<int64_t>(what.size() + reason.size()) + kGarbageBytes;
    if (answer_bytes_ > kMaxPageBytes) return true;
    v1::Garbage& garbage = *response_.add_garbage();
    garbage.set_what(std::move(what));
    garbage.set_reason(std::move(reason));
    garbage.set_bytes(bytes);
    return true;
  }

  bool JobItself(const v1::Job& job) {
    const absl::Time end = ToTime(job.end_time());
    if (!IsOlder(end, options_.policy.jobs, now_)) return false;
    int64_t bytes = 0;
    for (const v1::Attempt& attempt : job.attempts()) {
      bytes += TreeBytes(fs_, AttemptFolder(job, attempt.number()));
    }
    return Take(job.name(),
                absl::StrCat("finished ", Text(now_ - end), " ago; retention.jobs is ",
                             Text(options_.policy.jobs)),
                bytes, [&]() -> absl::Status {
                  ASSIGN_OR_RETURN(const std::string id, ParseJobName(job.name()));
                  const Caller collector{job.owner(), /*admin=*/true};
                  return jobs_.Delete(collector, id);
                });
  }

  void PartsOf(const v1::Job& job) {
    if (IsOlder(ToTime(job.end_time()), options_.policy.logs, now_)) Events(job);
    auto checkpoints = Checkpoints(fs_, options_.attempts_dir, job);
    for (const CheckpointFolder& surplus :
         SurplusCheckpoints(std::move(checkpoints), options_.policy.checkpoints)) {
      Take(absl::StrCat(job.name(), "/attempts/", surplus.attempt, "/checkpoints/step-",
                        surplus.step),
           absl::StrCat("the job is over; retention.checkpoints is ", options_.policy.checkpoints),
           TreeBytes(fs_, surplus.path), [&] { return Discard(job, surplus); });
    }
    const auto tails = SpoolTails(fs_, database_, options_.attempts_dir, job);
    if (!tails.ok()) return Log(tails.status().message());
    for (const SpoolTail& tail : *tails) {
      Take(absl::StrCat(job.name(), "/attempts/", tail.attempt, "/", tail.file),
           "written behind the attempt's end", tail.bytes,
           [&] { return fs_.Truncate(tail.path, static_cast<uint64_t>(tail.end)); });
    }
  }

  std::string AttemptFolder(const v1::Job& job, int attempt) const {
    return absl::StrCat(options_.attempts_dir, "/", job.uid(), "-", attempt);
  }

  // Within the attempt's own folder: what lies in it may be another user's, and is not led out.
  absl::Status Discard(const v1::Job& job, const CheckpointFolder& checkpoint) {
    Trash trash(fs_, AttemptFolder(job, checkpoint.attempt) + "/.trash");
    RETURN_IF_ERROR(trash.Empty());  // What a daemon left that died here.
    RETURN_IF_ERROR(trash.Discard(checkpoint.path));
    return trash.Empty();
  }

  // All but the newest batch, which tells how the job ended.
  void Events(const v1::Job& job) {
    const auto old = EventsBeforeTheLast(database_, job.uid());
    if (!old.ok()) return Log(old.status().message());
    if (old->bytes == 0) return;
    Take(absl::StrCat(job.name(), "/events/1-", old->below_seq - 1),
         absl::StrCat("finished ", Text(now_ - ToTime(job.end_time())), " ago; retention.logs is ",
                      Text(options_.policy.logs)),
         old->bytes, [&] { return RemoveEvents(job.uid(), old->below_seq); });
  }

  absl::Status RemoveEvents(const std::string& uid, int64_t below_seq) {
    // First the stream says that they are gone; then they go, in portions, since other writes wait
    // for each. Control writes also have room on a full disk.
    RETURN_IF_ERROR(database_.Write(Database::Priority::kControl, [&](Connection& connection) {
      return SetFirstAvailableSeq(connection, uid, below_seq);
    }));
    for (int64_t removed = kBatchesPerWrite; removed == kBatchesPerWrite;) {
      RETURN_IF_ERROR(database_.Write(
          Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
            ASSIGN_OR_RETURN(removed,
                             DeleteBatchesBelow(connection, uid, below_seq, kBatchesPerWrite));
            return absl::OkStatus();
          }));
    }
    return absl::OkStatus();
  }

  void Orphans() {
    const auto orphans = OrphanedAttempts(fs_, database_, options_.attempts_dir);
    if (!orphans.ok()) return Log(orphans.status().message());
    for (const std::string& path : *orphans) {
      Take(absl::StrCat("attempts/", path.substr(path.rfind('/') + 1)), "its job is gone",
           TreeBytes(fs_, path), [&] { return trash_.Discard(path); });
    }
  }

  void Uploads() {
    if (options_.policy.uploads == absl::InfiniteDuration()) return;
    auto in_use = BlobsOfLiveJobs(database_);
    if (!in_use.ok()) return Log(in_use.status().message());
    if (options_.registered_data) {
      const auto registered = options_.registered_data();
      if (!registered.ok()) return Log(registered.status().message());
      for (const v1::Data& data : *registered) {
        for (std::string& name : BlobNamesOf(data)) in_use->insert(std::move(name));
      }
    }
    const auto garbage = uploads_.FindGarbage(options_.policy.uploads, *in_use);
    if (!garbage.ok()) return Log(garbage.status().message());
    for (const UploadStore::Garbage& file : *garbage) {
      Take(absl::StrCat(file.name, absl::EndsWith(file.path, ".part") ? "/part" : ""),
           absl::StrCat("not used for ", Text(now_ - file.last_use), "; retention.uploads is ",
                        Text(options_.policy.uploads)),
           file.bytes, [&]() -> absl::Status {
             ASSIGN_OR_RETURN(const bool removed, uploads_.Remove(file));
             return removed ? absl::OkStatus() : absl::CancelledError("it was used just now");
           });
    }
  }

  void Cache() {
    const std::string reason = absl::StrCat("not used for longest; retention.cache_bytes is ",
                                            options_.policy.cache_bytes);
    for (const CacheEntry& entry :
         SurplusCache(CacheEntries(fs_, options_.cache_dir), options_.policy.cache_bytes)) {
      // Who opens it just now keeps what he has mapped.
      if (IsOpen(fs_, entry.path)) continue;
      Take(absl::StrCat("cache/", entry.path.substr(options_.cache_dir.size() + 1)), reason,
           entry.bytes, [&] { return fs_.Remove(entry.path); });
    }
  }

  void Log(absl::string_view line) const {
    if (options_.log) options_.log(line);
  }

  const Collector::Options& options_;
  Database& database_;
  JobManager& jobs_;
  UploadStore& uploads_;
  FileSystem& fs_;
  Trash trash_;
  const absl::Time now_;
  const bool dry_run_;
  v1::CollectGarbageResponse response_;
  int64_t answer_bytes_ = 0;
};

}  // namespace

Collector::Collector(Options options, Database& database, JobManager& jobs, UploadStore& uploads,
                     FileSystem& fs, Clock& clock)
    : options_(std::move(options)),
      database_(database),
      jobs_(jobs),
      uploads_(uploads),
      fs_(fs),
      clock_(clock) {}

Collector::~Collector() { Stop(); }

void Collector::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Collector::Stop() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  stopped_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<v1::CollectGarbageResponse> Collector::Collect(bool dry_run) {
  MutexLock lock(collect_mu_);
  return Collection(options_, database_, jobs_, uploads_, fs_, clock_.Now(), dry_run).Run();
}

void Collector::Loop() {
  while (true) {
    {
      const absl::Duration until = clock_.Monotonic() + options_.interval;
      MutexLock lock(mu_);
      while (!stop_ && clock_.Monotonic() < until) {
        stopped_.WaitFor(mu_, absl::ToChronoNanoseconds(until - clock_.Monotonic()));
      }
      if (stop_) return;
    }
    const auto collected = Collect(/*dry_run=*/false);
    if (!options_.log) continue;
    if (!collected.ok()) {
      options_.log(absl::StrCat("collecting garbage: ", collected.status().message()));
    } else if (collected->items() > 0) {
      options_.log(absl::StrCat("removed ", collected->items(), " things that retention no ",
                                "longer keeps, ", collected->bytes(), " bytes"));
    }
  }
}

}  // namespace skytrain
