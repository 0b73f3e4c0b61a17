#include "server/shepherd/shepherd.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/attempt/attempt_reader.h"
#include "common/process/process.h"
#include "common/status_macros.h"
#include "common/timestamp.h"
#include "server/shepherd/memory_events.h"
#include "server/shepherd/process_memory.h"

namespace skytrain {
namespace {

using internal::v1::Control;
using internal::v1::ExitRecord;

constexpr absl::Duration kLookEvery = absl::Seconds(1);
// What the other ranks have to leave once one has failed: their collectives cannot succeed any
// more.
constexpr absl::Duration kGraceAfterFailure = absl::Seconds(15);
// After SIGKILL a process leaves at once, unless the kernel holds it (a dead disk, a dead GPU).
constexpr absl::Duration kUndeadAfter = absl::Seconds(10);
constexpr int64_t kDefaultLogQuota = 64 << 20;

// What an epoll event belongs to: kind in the upper half, index in the lower.
constexpr uint64_t kSignalToken = 0, kRankToken = uint64_t{1} << 32, kLogToken = uint64_t{2} << 32;

sigset_t ShepherdSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGUSR1, SIGINT}) sigaddset(&signals, signal);
  return signals;
}

// 'R', 'S', 'D', …: field 3 of /proc/PID/stat, after the name in parentheses; 0: not known.
char ProcessState(int pid) {
  const auto stat = FileSystem::Posix().ReadFile(absl::StrCat("/proc/", pid, "/stat"), 4096);
  const size_t name_end = stat.ok() ? stat->rfind(')') : std::string::npos;
  return name_end != std::string::npos && name_end + 2 < stat->size() ? (*stat)[name_end + 2] : 0;
}

std::string Describe(const RankExit& exit) {
  return exit.signal != 0 ? absl::StrCat("ended by signal ", exit.signal)
                          : absl::StrCat("left with exit code ", exit.exit_code);
}

}  // namespace

void BlockShepherdSignals() {
  const sigset_t signals = ShepherdSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A spool on a dead network disk or a closed terminal must not end us either.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
}

Shepherd::Shepherd(AttemptDir dir, Clock& clock, ShepherdCgroup cgroup)
    : dir_(dir), clock_(clock), control_(std::move(dir)), given_cgroup_(std::move(cgroup)) {}

Shepherd::~Shepherd() {
  for (const int fd : {lock_fd_, epoll_fd_, signal_fd_}) {
    if (fd >= 0) close(fd);
  }
}

absl::Status Shepherd::Run() {
  RETURN_IF_ERROR(Claim());
  absl::Status status = Prepare();
  if (status.ok()) status = StartRanks();
  if (status.ok()) status = Watch();
  if (status.ok()) return WriteEnd(Collect());
  // It could not be started, or not be watched: then nothing of it may go on.
  phase_ = Phase::kKilled;
  if (!ranks_.empty()) kill(-ranks_[0]->pid(), SIGKILL);
  ranks_.clear();
  ExitRecord record;
  record.set_end(absl::IsResourceExhausted(status) ? v1::DISK_FULL : v1::LAUNCH_FAILED);
  record.set_message(std::string(status.message()));
  record.set_failed_rank(-1);
  return WriteEnd(std::move(record));
}

absl::Status Shepherd::Claim() {
  // The lock first: from the claim on, a lock that can be had means that no process is left.
  ASSIGN_OR_RETURN(lock_fd_, dir_.TakeLock());
  internal::v1::Claim claim;
  ASSIGN_OR_RETURN(*claim.mutable_shepherd(), Self());
  *claim.mutable_time() = ToTimestamp(clock_.Now());
  return dir_.TryClaim(claim);
}

absl::Status Shepherd::Prepare() {
  RETURN_IF_ERROR(dir_.PreallocateExit());
  ASSIGN_OR_RETURN(spool_, SpoolWriter::Create(FileSystem::Posix(), dir_.ShepherdSpoolPath()));
  internal::v1::Record record;
  *record.mutable_time() = ToTimestamp(clock_.Now());
  ASSIGN_OR_RETURN(*record.mutable_shepherd_started()->mutable_process(), Self());
  ASSIGN_OR_RETURN(spec_, dir_.ReadSpec());
  record.mutable_shepherd_started()->set_build(spec_.build());
  RETURN_IF_ERROR(spool_->Append(FrameType::kRecord, record.SerializeAsString()));
  limits_ = std::make_unique<RunLimits>(spec_.limits(), clock_);
  oom_kills_ = oom_kills_before_ = CountOomKills();
  last_look_ = clock_.Monotonic();
  return SetUpEvents();
}

absl::Status Shepherd::SetUpEvents() {
  const sigset_t signals = ShepherdSignals();
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (signal_fd_ < 0 || epoll_fd_ < 0) {
    return absl::ErrnoToStatus(errno, "cannot set up the event loop");
  }
  return AddEvent(signal_fd_, kSignalToken);
}

absl::Status Shepherd::AddEvent(int fd, uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = token;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "cannot watch a descriptor");
}

absl::Status Shepherd::StartRanks() {
  Look();
  if (phase_ != Phase::kRunning) return absl::OkStatus();  // Stopped before it began.
  MakeCgroup();
  const int64_t quota = spec_.log_quota_bytes() > 0 ? spec_.log_quota_bytes() : kDefaultLogQuota;
  for (int rank = 0; rank < std::max(spec_.world_size(), 1); ++rank) {
    RankProcess::Options options;
    options.rank = rank;
    options.process_group = rank == 0 ? 0 : ranks_[0]->pid();
    options.lock_fd = lock_fd_;
    options.attempt_dir = dir_.path();
    ASSIGN_OR_RETURN(auto process, RankProcess::Start(spec_, options));
    if (cgroup_ != nullptr && !cgroup_->Add(process->pid()).ok()) cgroup_.reset();
    const auto index = static_cast<uint64_t>(rank);
    RETURN_IF_ERROR(AddEvent(process->pidfd(), kRankToken | index));
    for (const auto& [stream, fd] :
         {std::pair(v1::LogChunk::STREAM_STDOUT, process->stdout_fd()),
          std::pair(v1::LogChunk::STREAM_STDERR, process->stderr_fd())}) {
      RETURN_IF_ERROR(AddEvent(fd, kLogToken | logs_.size()));
      logs_.push_back(std::make_unique<LogCapture>(rank, stream, fd, quota, *spool_));
    }
    ranks_.push_back(std::move(process));
    left_.push_back(false);
  }
  return absl::OkStatus();
}

void Shepherd::MakeCgroup() {
  auto made = given_cgroup_.has_value()
                  ? *std::exchange(given_cgroup_, std::nullopt)
                  : Cgroup::Create(absl::StrCat("skytrain-", spec_.job_uid(), "-", spec_.number(),
                                                "-", getpid()),
                                   spec_.memory_limit_bytes());
  if (made.ok()) cgroup_ = *std::move(made);  // Else the ranks' process group has to do.
}

absl::Status Shepherd::Watch() {
  while (RanksLeft() > 0) {
    epoll_event events[16];
    const int64_t wait =
        absl::ToInt64Milliseconds(absl::Ceil(UntilNextLook(), absl::Milliseconds(1)));
    const int count = epoll_wait(epoll_fd_, events, 16, static_cast<int>(wait));
    if (count < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "cannot wait for events");
    for (int i = 0; i < count; ++i) HandleEvent(events[i].data.u64);
    if (clock_.Monotonic() - last_look_ >= kLookEvery) Look();
    CheckLimits();
  }
  return absl::OkStatus();
}

void Shepherd::HandleEvent(uint64_t token) {
  const auto index = static_cast<size_t>(token & 0xffffffff);
  if (token == kSignalToken) {
    HandleSignal();
  } else if ((token & kRankToken) != 0) {
    RankLeft(index);
  } else if (!logs_[index]->Read()) {
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, logs_[index]->fd(), nullptr);
  }
}

void Shepherd::HandleSignal() {
  signalfd_siginfo info;
  while (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGINT) RequestStop(Control::CAUSE_USER, "interrupted");
  }
  Look();
}

void Shepherd::Look() {
  last_look_ = clock_.Monotonic();
  oom_kills_before_ = std::exchange(oom_kills_, CountOomKills());
  limits_->Observe(RankSpoolBytes());
  CheckMemory();
  const auto control = control_.Look();
  if (!control.ok()) {
    Say(absl::StrCat("cannot read what is wanted: ", control.status().message()));
    return;
  }
  if (!control->has_value()) return;
  if ((*control)->want() == Control::WANT_CHECKPOINT) SignalRanks(SIGUSR1);
  if ((*control)->want() == Control::WANT_STOP) {
    const Control::Cause cause = (*control)->cause() == Control::CAUSE_UNSPECIFIED
                                     ? Control::CAUSE_USER
                                     : (*control)->cause();
    RequestStop(cause, "asked to stop");
  }
}

void Shepherd::CheckLimits() {
  if (phase_ == Phase::kRunning) {
    if (!limits_->Exceeded().has_value()) return;
    limits_->Observe(RankSpoolBytes());  // It may have grown since the last look.
    const auto cause = limits_->Exceeded();
    if (!cause.has_value()) return;
    control_.AnnounceStop(*cause).IgnoreError();  // On a full disk SIGTERM has to say enough.
    RequestStop(*cause, *cause == Control::CAUSE_TIME_LIMIT ? "limits.time is reached"
                                                            : "no step within limits.stall");
  } else if (phase_ == Phase::kStopping && limits_->GraceOver()) {
    Say(absl::StrCat("not gone after ", absl::FormatDuration(limits_->grace()), ": killed"));
    KillRanks();
  } else if (phase_ == Phase::kKilled && !told_undead_ &&
             clock_.Monotonic() - killed_at_ >= kUndeadAfter) {
    told_undead_ = true;
    SayUndead();
  }
}

void Shepherd::CheckMemory() {
  const int64_t limit = spec_.memory_limit_bytes();
  if (limit == 0 || ranks_.empty() || phase_ == Phase::kKilled) return;
  if (cgroup_ != nullptr && cgroup_->has_memory_limit()) return;
  const int64_t taken =
      MemoryOf(cgroup_ != nullptr ? cgroup_->Processes() : ProcessesOfGroup(ranks_[0]->pid()));
  if (taken <= limit) return;
  Say(absl::StrCat("the run holds ", taken, " bytes of memory; its limit is ", limit, ": killed"));
  outcome_.memory_bytes = taken;
  outcome_.memory_limit_bytes = limit;
  KillRanks();
}

void Shepherd::RankLeft(size_t index) {
  const std::optional<RankExit> exit = ranks_[index]->Exit();
  if (!exit.has_value() || left_[index]) return;
  left_[index] = true;
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, ranks_[index]->pidfd(), nullptr);

  RankOutcome outcome;
  outcome.rank = static_cast<int>(index);
  outcome.exit = *exit;
  outcome.oom_kill =
      CountOomKills() > oom_kills_before_ || (cgroup_ != nullptr && cgroup_->OomKills() > 0);
  const std::string spool = dir_.RankSpoolPath(outcome.rank);
  outcome.has_spool = FileSystem::Posix().Exists(spool);
  if (auto result = ReadRankResult(spool); result.ok()) outcome.result = *std::move(result);
  outcome_.ranks.push_back(std::move(outcome));

  const bool fine = exit->signal == 0 && exit->exit_code == 0;
  if (!fine && phase_ == Phase::kRunning && RanksLeft() > 0) {
    control_.AnnounceStop(Control::CAUSE_RANK_FAILED).IgnoreError();
    RequestStop(Control::CAUSE_RANK_FAILED,
                absl::StrCat("rank ", index, " ", Describe(*exit), "; the others are stopped"));
  }
}

void Shepherd::RequestStop(Control::Cause cause, absl::string_view why) {
  if (phase_ != Phase::kRunning) return;
  phase_ = Phase::kStopping;
  outcome_.stop_cause = cause;
  if (cause == Control::CAUSE_RANK_FAILED) {
    limits_->BeginGrace(kGraceAfterFailure);
  } else {
    limits_->BeginGrace();
  }
  Say(absl::StrCat("stopping: ", why));
  SignalRanks(SIGTERM);
}

void Shepherd::KillRanks() {
  phase_ = Phase::kKilled;
  killed_at_ = clock_.Monotonic();
  outcome_.killed = true;
  // With it goes whatever the ranks started. Their zombies are ours, so the number is still theirs.
  if (!ranks_.empty()) kill(-ranks_[0]->pid(), SIGKILL);
  if (cgroup_ != nullptr) cgroup_->Kill();
}

void Shepherd::SayUndead() {
  for (size_t i = 0; i < ranks_.size(); ++i) {
    if (left_[i]) continue;
    const bool sleeps = ProcessState(ranks_[i]->pid()) == 'D';
    Say(absl::StrCat("pid ", ranks_[i]->pid(), " does not die: ",
                     sleeps ? "in uninterruptible sleep (a dead disk or GPU?)"
                            : "killed, but the kernel still holds it"));
  }
}

void Shepherd::SignalRanks(int signal) {
  for (size_t i = 0; i < ranks_.size(); ++i) {
    if (!left_[i]) ranks_[i]->Signal(signal);
  }
}

ExitRecord Shepherd::Collect() {
  // What the ranks started and left behind.
  if (!ranks_.empty()) kill(-ranks_[0]->pid(), SIGKILL);
  if (cgroup_ != nullptr) cgroup_->Kill();
  for (const auto& log : logs_) log->Finish();
  for (RankOutcome& rank : outcome_.ranks) {
    rank.last_words = logs_[static_cast<size_t>(rank.rank) * 2 + 1]->last_words();
  }
  outcome_.grace = limits_->grace();
  ExitRecord record = Judge(outcome_);
  ranks_.clear();
  cgroup_.reset();
  return record;
}

absl::Status Shepherd::WriteEnd(ExitRecord record) {
  if (spool_ != nullptr) {
    Say(absl::StrCat("ended: ", v1::AttemptEnd_Name(record.end()),
                     record.message().empty() ? "" : ": ", record.message()));
    spool_->Sync().IgnoreError();
  }
  ASSIGN_OR_RETURN(const auto spools, dir_.Spools());
  for (const auto& [name, size] : spools) {
    auto* spool = record.add_spools();
    spool->set_file(name);
    spool->set_bytes(static_cast<int64_t>(size));
  }
  *record.mutable_time() = ToTimestamp(clock_.Now());
  return dir_.WriteExit(record);
}

uint64_t Shepherd::RankSpoolBytes() const {
  const auto spools = dir_.Spools();
  uint64_t bytes = 0;
  if (!spools.ok()) return bytes;
  for (const auto& [name, size] : *spools) {
    if (name != "shepherd.spool") bytes += size;
  }
  return bytes;
}

size_t Shepherd::RanksLeft() const {
  return static_cast<size_t>(std::count(left_.begin(), left_.end(), false));
}

absl::Duration Shepherd::UntilNextLook() const {
  const absl::Duration look = last_look_ + kLookEvery - clock_.Monotonic();
  // Once they are killed no deadline is left, only the wait for the kernel.
  const absl::Duration deadline =
      phase_ == Phase::kKilled ? absl::InfiniteDuration() : limits_->UntilNextDeadline();
  return std::max(std::min(look, deadline), absl::ZeroDuration());
}

void Shepherd::Say(absl::string_view text) { WriteOwnLine(text, *spool_); }

}  // namespace skytrain
