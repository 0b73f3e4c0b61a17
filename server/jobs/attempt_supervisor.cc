#include "server/jobs/attempt_supervisor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/timestamp.h"
#include "server/jobs/attempt_launch.h"
#include "server/jobs/attempt_plan.h"
#include "server/jobs/attempt_processes.h"
#include "server/jobs/node_speed.h"
#include "server/jobs/spool_fold.h"
#include "server/store/event_rows.h"

namespace skytrain {
namespace {

constexpr absl::Duration kProcessCheckInterval = absl::Seconds(1);
constexpr absl::Duration kRetryStore = absl::Seconds(1);
// The daemon that launched it is dead, so nothing but the shepherd's first act can be missing. Too
// short costs an attempt that had not begun, and nothing else.
constexpr absl::Duration kAdoptedClaimTimeout = absl::Seconds(5);
// Commits of one attempt follow each other at this distance: each costs a transaction and a message
// to every subscriber. What comes alone is stored at once.
constexpr absl::Duration kCommitInterval = absl::Milliseconds(10);

AttemptVerdict LaunchFailed(const absl::Status& error) {
  const v1::AttemptEnd end = absl::IsResourceExhausted(error) ? v1::DISK_FULL : v1::LAUNCH_FAILED;
  return {end, absl::StrCat("The attempt could not be started: ", error.message())};
}

AttemptVerdict StoppedBeforeStart() {
  return {v1::STOPPED, "Asked to stop before it had started."};
}

internal::v1::Control::Cause ControlCause(v1::StopCause cause) {
  switch (cause) {
    case v1::STOP_SUSPEND:
      return internal::v1::Control::CAUSE_SUSPEND;
    case v1::STOP_PREEMPT:
      return internal::v1::Control::CAUSE_PREEMPT;
    default:
      return internal::v1::Control::CAUSE_USER;
  }
}

AttemptVerdict NeverStarted(AttemptSupervisor::Begin begin) {
  if (begin == AttemptSupervisor::Begin::kAdopt) {
    return {v1::SHEPHERD_LOST, "The daemon was stopped before the attempt had started.", false};
  }
  return {v1::LAUNCH_FAILED, "The shepherd was launched but did not start. Look at its log."};
}

}  // namespace

int64_t SpoolBacklog::Bytes() const {
  const uint64_t stored = stored_;  // First: a later look at the files finds at least as much.
  uint64_t written = 0;
  const auto spools = dir_.Spools();
  if (!spools.ok()) return 0;
  for (const auto& [file, size] : *spools) written += size;
  return static_cast<int64_t>(std::max(written, stored) - stored);
}

AttemptSupervisor::AttemptSupervisor(Begin begin, std::shared_ptr<JobJournal> journal,
                                     const AttemptEnvironment& environment,
                                     std::function<void()> on_done)
    : begin_(begin),
      journal_(std::move(journal)),
      environment_(environment),
      on_done_(std::move(on_done)),
      number_(journal_->Copy().job.attempts_size()),
      dir_(environment.fs, AttemptPath(environment.options, journal_->uid(), number_)),
      backlog_(std::make_shared<SpoolBacklog>(dir_)) {
  thread_ = std::thread([this] { Run(); });
}

AttemptSupervisor::~AttemptSupervisor() { Stop(); }

void AttemptSupervisor::Stop() {
  stopped_ = true;
  Wake();
  if (thread_.joinable()) thread_.join();
}

void AttemptSupervisor::Run() {
  std::optional<AttemptVerdict> verdict = begin_ == Begin::kLaunch ? Launch() : Adopt();
  if (!verdict.has_value()) verdict = Follow();
  if (!verdict.has_value()) return;
  if (!End(*std::move(verdict))) return;
  if (!Stopped()) on_done_();
  if (journal_->state() != v1::SUCCEEDED) return;
  const absl::Status learned = NodeSpeed(environment_.database).Learn(journal_->Copy().job);
  if (!learned.ok()) environment_.Log(learned.message());
}

std::optional<AttemptVerdict> AttemptSupervisor::Launch() {
  const auto run_as =
      PrepareAttempt(environment_, journal_->Copy().job, dir_, [this] { return Stopped(); });
  if (absl::IsCancelled(run_as.status())) return std::nullopt;
  if (!run_as.ok()) return LaunchFailed(run_as.status());
  if (journal_->state() == v1::STOPPING) return StoppedBeforeStart();
  // The folder is claimed only to be safe: an error means that nothing was started.
  const absl::Status launched =
      environment_.launcher.Launch(dir_, run_as->has_value() ? &**run_as : nullptr);
  if (!launched.ok() && Claim(launched.message())) return LaunchFailed(launched);
  return std::nullopt;
}

std::optional<AttemptVerdict> AttemptSupervisor::Adopt() {
  // No spec, so nothing can have been launched: that comes after it.
  if (!environment_.fs.Exists(dir_.SpecPath())) return NeverStarted(begin_);
  return std::nullopt;
}

std::optional<AttemptVerdict> AttemptSupervisor::Follow() {
  SpoolTailer::Offsets offsets;
  while (!Stopped() && !LoadOffsets(offsets)) Pause(kRetryStore);
  tailer_ = std::make_unique<SpoolTailer>(dir_, offsets);
  backlog_->SetStored(tailer_->CommittedBytes());
  watcher_.Watch(dir_.path());
  follow_since_ = processes_checked_ = environment_.clock.Monotonic();
  while (!Stopped()) {
    PassOnStop();
    // Before the spools: what they hold after this look belongs to the attempt in any case.
    const auto exit = dir_.ReadExit();
    if (exit.ok() && exit->has_value()) return Settle(**exit);
    if (!Ingest()) Pause(kRetryStore);
    const absl::Duration now = environment_.clock.Monotonic();
    if (auto verdict = CheckClaim(now)) return verdict;
    if (auto verdict = CheckProcesses(now)) return verdict;
    TellUndead(now);
    watcher_.Wait(environment_.options.poll_interval);
    watcher_.WaitForWake(committed_ + kCommitInterval - environment_.clock.Monotonic());
  }
  return std::nullopt;
}

bool AttemptSupervisor::LoadOffsets(SpoolTailer::Offsets& offsets) {
  std::vector<SpoolOffset> stored;
  const absl::Status read = environment_.database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(stored, SpoolOffsets(connection, journal_->uid(), number_));
    return absl::OkStatus();
  });
  if (!read.ok()) {
    environment_.Log(read.message());
    return false;
  }
  offsets.clear();
  for (const SpoolOffset& spool : stored) {
    if (!spool.damaged) {
      offsets.emplace_back(spool.file, spool.offset);
      continue;
    }
    if (!TellGap(absl::StrCat("how far ", spool.file, " was read is damaged in the database: ",
                              "it is read again from its start, so events may come twice"))) {
      return false;
    }
    const absl::Status forgotten =
        environment_.database.Write(Database::Priority::kControl, [&](Connection& connection) {
          return DeleteSpoolOffset(connection, journal_->uid(), number_, spool.file);
        });
    if (!forgotten.ok()) {
      environment_.Log(forgotten.message());
      return false;
    }
  }
  return true;
}

std::optional<AttemptVerdict> AttemptSupervisor::CheckClaim(absl::Duration now) {
  // A claim that was caught while it was written is empty: look again.
  if (claim_.has_value() && claim_->by_case() != internal::v1::Claim::BY_NOT_SET) {
    return std::nullopt;
  }
  auto claim = dir_.ReadClaim();
  if (claim.ok() && claim->has_value()) {
    claim_ = **std::move(claim);
    if (claim_->has_abandoned()) return NeverStarted(begin_);
    return std::nullopt;
  }
  const bool stopping = journal_->state() == v1::STOPPING;
  const absl::Duration patience =
      begin_ == Begin::kAdopt ? std::min(environment_.options.claim_timeout, kAdoptedClaimTimeout)
                              : environment_.options.claim_timeout;
  if (!stopping && now - follow_since_ < patience) return std::nullopt;
  // After this no shepherd can start ranks here, however late it comes.
  if (!Claim(stopping ? "asked to stop" : "not claimed in time")) return std::nullopt;
  return stopping ? StoppedBeforeStart() : NeverStarted(begin_);
}

bool AttemptSupervisor::Claim(absl::string_view reason) {
  internal::v1::Claim claim;
  claim.mutable_abandoned()->set_reason(std::string(reason));
  *claim.mutable_time() = ToTimestamp(environment_.clock.Now());
  const absl::Status claimed = dir_.TryClaim(claim);
  if (!claimed.ok() && !absl::IsAlreadyExists(claimed)) environment_.Log(claimed.message());
  return claimed.ok();
}

std::optional<AttemptVerdict> AttemptSupervisor::CheckProcesses(absl::Duration now) {
  if (!claim_.has_value() || now - processes_checked_ < kProcessCheckInterval) return std::nullopt;
  processes_checked_ = now;
  if (claim_->has_shepherd()) {
    if (ShepherdMayLive(environment_, dir_, claim_->shepherd())) return std::nullopt;
  } else if (now - follow_since_ < environment_.options.claim_timeout) {
    return std::nullopt;  // A claim that lost its content to a power failure.
  }
  // The ranks inherit the lock: as long as it is held, the attempt has not ended.
  const auto left = dir_.NoProcessLeft();
  if (!left.ok() || !*left) return std::nullopt;
  // The exit record is written before the lock goes.
  const auto exit = dir_.ReadExit();
  if (exit.ok() && exit->has_value()) return Settle(**exit);
  IngestRest();
  if (Stopped()) return std::nullopt;
  return JudgeLost(OfEarlierBoot(dir_));
}

std::optional<AttemptVerdict> AttemptSupervisor::Settle(const internal::v1::ExitRecord& exit) {
  for (const auto& spool : exit.spools()) {
    tailer_->SetEnd(spool.file(), static_cast<uint64_t>(spool.bytes()));
  }
  const absl::Duration since = environment_.clock.Monotonic();
  bool complete = false;
  while (!Stopped() && !complete) {
    const bool stored = Ingest();
    complete = stored && tailer_->ReachedEnds();
    if (complete || environment_.clock.Monotonic() - since >= environment_.options.settle_timeout) {
      break;
    }
    // What a power loss took from a spool does not come any more.
    if (stored && OfEarlierBoot(dir_)) break;
    if (stored) {
      watcher_.Wait(environment_.options.poll_interval);
    } else {
      Pause(kRetryStore);
    }
  }
  std::string gap;
  if (!complete) gap = "the last bytes of a spool did not arrive in time";
  if (const uint64_t beyond = tailer_->BytesBeyondEnds(); beyond > 0) {
    absl::StrAppend(&gap, gap.empty() ? "" : "; ", beyond,
                    " bytes that were written after the attempt's end are dropped");
  }
  while (!Stopped()) {
    if (gap.empty() || TellGap(gap)) return JudgeExit(exit, journal_->Copy().rank_result);
    Pause(kRetryStore);
  }
  return std::nullopt;
}

bool AttemptSupervisor::TellGap(const std::string& reason) {
  const absl::Status told =
      journal_->Change(Database::Priority::kControl, [&](JobJournal::Draft& draft) {
        v1::Event event;
        event.mutable_gap()->set_reason(reason);
        draft.Append(std::move(event));
        return absl::OkStatus();
      });
  if (told.ok()) environment_.Log(absl::StrCat(dir_.path(), ": ", reason));
  return told.ok();
}

void AttemptSupervisor::PassOnStop() {
  if (stop_passed_on_.has_value() || journal_->state() != v1::STOPPING) return;
  const auto before = dir_.ReadControl();
  internal::v1::Control control;
  if (before.ok() && before->has_value()) control = **before;
  if (control.want() != internal::v1::Control::WANT_STOP) {
    control.set_generation(control.generation() + 1);
    control.set_want(internal::v1::Control::WANT_STOP);
    control.set_cause(ControlCause(journal_->Copy().job.stop_cause()));
    *control.mutable_deadline() = ToTimestamp(environment_.clock.Now() + Grace());
    if (const absl::Status written = dir_.WriteControl(control); !written.ok()) {
      environment_.Log(written.message());
      return;  // Again at the next look.
    }
  }
  stop_passed_on_ = environment_.clock.Monotonic();
  // Only makes it quicker: the shepherd looks once a second anyway.
  environment_.launcher.Poke(dir_).IgnoreError();
}

absl::Duration AttemptSupervisor::Grace() const {
  const auto spec = dir_.ReadSpec();
  if (!spec.ok()) return absl::ZeroDuration();
  return absl::Seconds(spec->limits().grace().seconds()) +
         absl::Nanoseconds(spec->limits().grace().nanos());
}

void AttemptSupervisor::TellUndead(absl::Duration now) {
  if (told_undead_ || !stop_passed_on_.has_value()) return;
  if (now - *stop_passed_on_ < environment_.options.undead_after) return;  // Without a read.
  const absl::Duration after = Grace() + environment_.options.undead_after;
  if (now - *stop_passed_on_ < after) return;
  const absl::Status told =
      journal_->Change(Database::Priority::kControl, [&](JobJournal::Draft& draft) {
        draft.Remark(absl::StrCat("asked to stop ", absl::FormatDuration(after),
                                  " ago, but a process does not die (a dead disk or GPU?): its "
                                  "devices stay taken; see the logs for which one"));
        return absl::OkStatus();
      });
  told_undead_ = told.ok();
}

bool AttemptSupervisor::Ingest() {
  bool more = true;
  while (more && !Stopped()) {
    const absl::Status stored = journal_->Change(
        Database::Priority::kBulk,
        [&](JobJournal::Draft& draft) { return FoldSpools(*tailer_, draft, &more); });
    if (stored.ok()) {
      tailer_->Commit();
      backlog_->SetStored(tailer_->CommittedBytes());
      committed_ = environment_.clock.Monotonic();
      continue;
    }
    if (IsNothingNew(stored)) return true;
    tailer_->Rollback();
    environment_.Log(absl::StrCat(dir_.path(), ": ", stored.message()));
    return false;
  }
  return true;
}

void AttemptSupervisor::IngestRest() {
  const absl::Duration since = environment_.clock.Monotonic();
  while (!Stopped() && !Ingest()) {
    if (environment_.clock.Monotonic() - since >= environment_.options.settle_timeout) return;
    Pause(kRetryStore);
  }
}

void AttemptSupervisor::Pause(absl::Duration time) {
  const absl::Duration until = environment_.clock.Monotonic() + time;
  for (absl::Duration now = environment_.clock.Monotonic(); now < until && !Stopped();
       now = environment_.clock.Monotonic()) {
    watcher_.Wait(until - now);
  }
}

bool AttemptSupervisor::End(AttemptVerdict verdict) {
  const v1::Job job = journal_->Copy().job;
  std::optional<v1::Model> model;
  // A search for a learning rate makes no model.
  const bool makes_model = job.has_experiment() && !job.experiment().train().has_find_lr();
  if (verdict.end == v1::COMPLETED && makes_model) {
    auto published = environment_.options.publish_model(job, number_, dir_.path());
    if (published.ok()) {
      model = *std::move(published);
    } else {
      verdict = {v1::INTERNAL,
                 absl::StrCat("The run was complete, but its model could not be published: ",
                              published.status().message())};
    }
  }
  std::optional<int64_t> step;
  if (verdict.end != v1::COMPLETED && job.has_experiment()) {
    if (auto checkpoint = CheckpointOf(environment_.options, environment_.fs, job.uid(), number_,
                                       [this] { return Stopped(); })) {
      step = checkpoint->step;
    }
  }
  while (!Stopped()) {
    const absl::Status ended = journal_->Change(
        Database::Priority::kControl, [&](JobJournal::Draft& draft) -> absl::Status {
          if (model.has_value()) AppendPublished(*model, draft);
          const v1::StopCause cause = draft.job().stop_cause();
          const AttemptVerdict now{EndAsAsked(verdict.end, cause), verdict.message,
                                   verdict.started};
          if (!verdict.started) draft.attempt().clear_start_time();
          const JobVerdict next =
              JudgeJob(now, draft.job(), environment_.options.retry_rules, step);
          RETURN_IF_ERROR(draft.Apply(next.event, next.message, now.end));
          if (next.pause > absl::ZeroDuration()) {
            *draft.job().mutable_next_try_time() =
                ToTimestamp(environment_.clock.Now() + next.pause);
          }
          return absl::OkStatus();
        });
    if (ended.ok()) return true;
    environment_.Log(absl::StrCat(dir_.path(), ": ", ended.message()));
    Pause(kRetryStore);
  }
  return false;
}

}  // namespace skytrain
