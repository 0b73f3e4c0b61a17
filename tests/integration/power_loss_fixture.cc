#include "tests/integration/power_loss_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>
#include <thread>

#include "absl/hash/hash.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "server/jobs/checkpoint_finder.h"
#include "server/jobs/job_state.h"
#include "skytrain/internal/v1/attempt.pb.h"

namespace skytrain {
namespace {

constexpr int kClockFactor = 20;
// Most of a replay is waiting: for a look of the daemon, for a thread.
constexpr int kReplaysAtOnce = 6;

bool IsBeginOfSync(const DiskOperation& operation) {
  return operation.kind == DiskOperation::Kind::kBeginSync ||
         operation.kind == DiskOperation::Kind::kBeginSyncDir;
}

// The machine comes up with another boot id: to the daemon, whoever claimed an attempt is of an
// earlier boot.
void Boot(std::map<std::string, std::string>& files) {
  for (auto& [path, bytes] : files) {
    internal::v1::Claim claim;
    if (!absl::EndsWith(path, "/claim") || !claim.ParseFromString(bytes)) continue;
    if (!claim.has_shepherd()) continue;
    claim.mutable_shepherd()->set_boot_id("an-earlier-boot");
    bytes = claim.SerializeAsString();
  }
}

// Every n-th sync point only; 1: all.
size_t Stride() {
  const char* text = std::getenv("SKYTRAIN_POWER_LOSS_STRIDE");
  size_t stride = 1;
  return text != nullptr && absl::SimpleAtoi(text, &stride) && stride > 0 ? stride : 1;
}

// In memory where that can be had: a daemon that starts syncs a lot.
std::string FolderForReplays() {
  return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : testing::TempDir();
}

std::string IdOf(const v1::Job& job) { return job.name().substr(job.name().find('/') + 1); }

bool AtRest(const v1::Job& job) { return IsTerminal(job.state()) || job.state() == v1::SUSPENDED; }

}  // namespace

int64_t PowerLossTest::Watched::SeqAt(size_t at) const {
  int64_t seq = 0;
  for (const auto& [when, last_seq] : told) {
    if (when <= at) seq = std::max(seq, last_seq);
  }
  return seq;
}

PowerLossTest::PowerLossTest()
    : log_(dir_.path()),
      fs_(log_),
      observer_(log_),
      shim_("recording", observer_),
      daemon_(dir_.path(), fs_, shim_.name(), Clock::Real()) {
  if (const char* forgotten = std::getenv("SKYTRAIN_POWER_LOSS_FORGET")) log_.Forget(forgotten);
  daemon_.Start();
}

PowerLossTest::~PowerLossTest() = default;

void PowerLossTest::RestartDaemon() {
  for (const auto& watched : watched_) watched->subscription.reset();
  daemon_.Restart();
  for (const auto& watched : watched_) Watch(*watched);
}

PowerLossTest::Promise PowerLossTest::Told(std::string what, Check holds, Check in_the_end) {
  promises_.push_back(
      {std::move(what), log_.size(), kNever, std::move(holds), std::move(in_the_end)});
  return promises_.size() - 1;
}

void PowerLossTest::TakeBack(Promise promise) { promises_[promise].until = log_.size(); }

void PowerLossTest::Watch(Watched& watched) {
  watched.subscription =
      world().hub().Subscribe(watched.job.uid(), [this, &watched](int64_t last_seq, bool) {
        MutexLock lock(mu_);
        watched.told.emplace_back(log_.size(), last_seq);
      });
}

v1::Job PowerLossTest::Submit(const std::string& id, const std::string& dataset) {
  v1::CreateJobRequest request = JobWorld::Request(id);
  request.set_request_id(id);
  request.mutable_job()->mutable_experiment()->mutable_data()->set_dataset(dataset);
  const auto created = world().jobs().Create(JobWorld::kAna, request);
  EXPECT_TRUE(created.ok()) << created.status();
  if (!created.ok()) return v1::Job();
  auto watched = std::make_unique<Watched>();
  watched->job = created->job();
  watched->created = log_.size();
  Watch(*watched);
  // What was committed before the subscription is read from the log.
  const auto already = static_cast<int64_t>(world().Events(created->job().uid()).size());
  {
    MutexLock lock(mu_);
    watched->told.emplace_back(log_.size(), already);
  }
  watched_.push_back(std::move(watched));
  Told(absl::StrCat("the job of request ", id),
       [request, uid = created->job().uid()](KeepingDaemon& daemon) {
         const auto again = daemon.world().jobs().Create(JobWorld::kAna, request);
         // The request outlives the job.
         if (!again.ok() && absl::IsNotFound(again.status())) return;
         ASSERT_TRUE(again.ok()) << again.status();
         EXPECT_EQ(again->job().uid(), uid);
       });
  return created->job();
}

void PowerLossTest::AboutToRemove(const v1::Job& job, Removal removal) {
  for (const auto& watched : watched_) {
    if (watched->job.uid() != job.uid()) continue;
    if (removal != Removal::kOldCheckpoints) watched->events = world().Events(job.uid());
    watched->removed[static_cast<int>(removal)] = log_.size();
  }
}

void PowerLossTest::CheckJob(const Watched& watched, size_t at, KeepingDaemon& daemon) {
  SCOPED_TRACE(watched.job.name());
  // It goes on meanwhile, and its row and its attempts are read one after the other.
  absl::StatusOr<v1::Job> job, again = daemon.world().jobs().Get(JobWorld::kAna, IdOf(watched.job));
  do {
    job = again;
    ASSERT_TRUE(job.ok()) << job.status();
    again = daemon.world().jobs().Get(JobWorld::kAna, IdOf(watched.job));
  } while (!again.ok() || again->last_seq() != job->last_seq());
  EXPECT_EQ(job->uid(), watched.job.uid());
  if (!watched.Holds(Removal::kEvents, at)) return;
  std::vector<v1::Event> events = daemon.world().Events(job->uid());
  ASSERT_GE(static_cast<int64_t>(events.size()), watched.SeqAt(at)) << "events that were sent";
  for (int64_t i = 0; i < watched.SeqAt(at); ++i) {
    ASSERT_EQ(events[i].SerializeAsString(), watched.events[i].SerializeAsString()) << i;
  }
  // The job as it was read is the fold of the events up to then.
  ASSERT_GE(static_cast<int64_t>(events.size()), job->last_seq());
  events.resize(job->last_seq());
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  std::string model;
  std::vector<int> ends, ends_of_job;
  for (const v1::Event& event : events) {
    if (event.has_model()) model = event.model().name();
    if (!event.has_state()) continue;
    EXPECT_EQ(event.state().from(), state) << event.ShortDebugString();
    state = event.state().to();
    if (event.state().attempt_end() != 0) ends.push_back(event.state().attempt_end());
  }
  for (const v1::Attempt& attempt : job->attempts()) {
    if (attempt.end() != 0) ends_of_job.push_back(attempt.end());
  }
  EXPECT_EQ(job->state(), state);
  EXPECT_EQ(job->model(), model);
  EXPECT_EQ(ends, ends_of_job);
  CheckTold(watched, at, daemon);
}

void PowerLossTest::CheckTold(const Watched& watched, size_t at, KeepingDaemon& daemon) {
  int64_t newest = -1;
  for (int64_t i = watched.SeqAt(at); i-- > 0;) {
    const v1::Event& event = watched.events[i];
    if (event.has_model()) {
      const auto model = daemon.models().Get(event.model().name(), {watched.job.owner()});
      ASSERT_TRUE(model.ok()) << model.status();
      EXPECT_GE(model->files_size(), 2);
      for (const v1::ModelFile& file : model->files()) {
        const std::string path = absl::StrCat(daemon.models().DirOf(*model), "/", file.name());
        const auto sha256 = Sha256HexOfFile(path);
        EXPECT_TRUE(sha256.ok() && *sha256 == file.sha256()) << path << " " << sha256.status();
      }
    }
    if (!event.has_checkpoint()) continue;
    const int64_t step = event.checkpoint().step();
    if (newest >= 0 && !watched.Holds(Removal::kOldCheckpoints, at)) continue;
    newest = std::max(newest, step);
    const absl::Status whole =
        CheckCheckpoint(FileSystem::Posix(),
                        absl::StrCat(daemon.world().AttemptFolder(watched.job, event.attempt()),
                                     "/checkpoints/step-", step));
    EXPECT_TRUE(whole.ok()) << whole;
  }
  EXPECT_GE(daemon.ResumedFrom(watched.job.uid()).value_or(newest), newest);
}

size_t PowerLossTest::PromisesAt(size_t at) const {
  size_t count = 0;
  for (const Promised& promise : promises_) count += (promise.from <= at) + (promise.until <= at);
  for (const auto& watched : watched_) {
    count += watched->SeqAt(at);
    for (const size_t removed : watched->removed) count += removed <= at;
  }
  return count;
}

void PowerLossTest::Replay(const Loss& loss) {
  SCOPED_TRACE(absl::StrCat("power lost before operation ", loss.at, " (", loss.before, "), ",
                            DiskImage::NameOf(loss.loss)));
  const TempDir dir(FolderForReplays());
  auto files = loss.files;
  Boot(files);
  WriteFiles(files, dir.path());
  FastClock clock(kClockFactor);
  KeepingDaemon daemon(dir.path(), FileSystem::Posix(), "", clock);
  daemon.LetAttemptsEnd(4 * static_cast<int>(watched_.size()));
  daemon.Start();
  if (HasFatalFailure()) return;
  const auto check = [&](bool in_the_end) {
    for (const Promised& promise : promises_) {
      const Check& holds = in_the_end ? promise.in_the_end : promise.holds;
      if (!holds || loss.at < promise.from || loss.at >= promise.until) continue;
      SCOPED_TRACE(promise.what);
      holds(daemon);
    }
    for (const auto& watched : watched_) {
      if (watched->created > loss.at || !watched->Holds(Removal::kJob, loss.at)) continue;
      CheckJob(*watched, loss.at, daemon);
    }
  };
  check(false);
  // To the end where most is lost; the others have to start.
  if (loss.loss == DiskImage::Loss::kEverything) {
    for (const auto& watched : watched_) {
      if (watched->created > loss.at || !watched->Holds(Removal::kJob, loss.at)) continue;
      daemon.world().WaitUntil(IdOf(watched->job), AtRest);
    }
    check(true);
  }
}

void PowerLossTest::LosePowerEverywhere() {
  for (const auto& watched : watched_) {
    watched->subscription.reset();
    if (watched->events.empty()) watched->events = world().Events(watched->job.uid());
  }
  const std::vector<DiskOperation> operations = log_.operations();
  const size_t end = operations.size();
  ASSERT_FALSE(HasFailure()) << "the life itself went wrong";

  // Disks are made one after the other, and tried side by side.
  Mutex mu;
  DiskImage image;
  size_t at = 0, points = 0, replays = 0, same = 0;
  std::vector<Loss> losses;
  std::set<std::pair<size_t, size_t>> seen;
  const size_t stride = Stride();
  const auto next = [&](Loss& loss) {
    MutexLock lock(mu);
    while (losses.empty()) {
      if (at > end || HasFailure()) return false;
      const bool is_point = at == end || IsBeginOfSync(operations[at]);
      if (is_point && points++ % stride == 0) {
        for (const DiskImage::Loss kind : DiskImage::kLosses) {
          Loss made{at, kind, at == end ? "the end" : operations[at].path, image.After(kind)};
          if (seen.emplace(absl::HashOf(made.files, kind == DiskImage::Loss::kEverything),
                           PromisesAt(at))
                  .second) {
            losses.push_back(std::move(made));
          } else {
            ++same;
          }
        }
        std::reverse(losses.begin(), losses.end());
      }
      if (at < end) image.Apply(operations[at]);
      ++at;
    }
    loss = std::move(losses.back());
    losses.pop_back();
    ++replays;
    return true;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kReplaysAtOnce; ++i) {
    threads.emplace_back([&] {
      Loss loss;
      while (next(loss)) Replay(loss);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::cout << end << " operations, " << points << " sync points, " << replays
            << " different disks tried, " << same << " equal to one of them\n";
  EXPECT_GT(points, 5u);
}

}  // namespace skytrain
