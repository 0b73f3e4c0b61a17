#include "server/jobs/job_dispatcher.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "common/timestamp.h"
#include "server/jobs/queue_facts.h"

namespace skytrain {
namespace {

// When a decision could not be stored (a full disk): so long until the next try.
constexpr absl::Duration kRetry = absl::Seconds(1);
// Expected starts and usage age even when nothing happens.
constexpr absl::Duration kRefreshInterval = absl::Minutes(1);
constexpr absl::Duration kUsageInterval = absl::Minutes(1);

absl::Status Assign(const std::vector<std::string>& devices, absl::Time now,
                    JobJournal::Draft& draft) {
  v1::Attempt& attempt = *draft.job().add_attempts();
  attempt.set_number(draft.job().attempts_size());
  attempt.mutable_devices()->Assign(devices.begin(), devices.end());
  *attempt.mutable_start_time() = ToTimestamp(now);
  draft.rank_result().Clear();
  return draft.Apply(JobEventType::kAssigned, absl::StrCat("on ", absl::StrJoin(devices, ", ")));
}

// Whether the job does not take its turn although it has one, so that nothing is kept for it.
bool StandsAside(const Wait& wait) {
  return wait.why == Wait::Why::kPause || wait.why == Wait::Why::kOwnerLimit ||
         wait.why == Wait::Why::kTooLarge;
}

}  // namespace

JobDispatcher::JobDispatcher(const AttemptEnvironment& environment, EventHub& hub)
    : environment_(environment),
      hub_(hub),
      usage_(environment.database),
      pacer_(environment.clock),
      devices_(environment.options.gpu_devices, environment.options.cpu_slots,
               environment.options.gpu_guard),
      queue_(std::make_shared<QueueView>()) {}

JobDispatcher::~JobDispatcher() { Shutdown(); }

void JobDispatcher::Add(JobRecord record) {
  const v1::Job& job = record.job;
  const std::string uid = job.uid();
  const bool active = IsActive(job.state());
  const bool queued = job.state() == v1::QUEUED;
  Entry entry;
  entry.facts = MakeWaiting(job, environment_.options.cpu_slots);
  entry.preemptible = IsPreemptible(job);
  entry.grace = GraceOf(job);
  if (active) {
    const v1::Attempt& attempt = *job.attempts().rbegin();
    entry.devices.assign(attempt.devices().begin(), attempt.devices().end());
    entry.started = entry.charged_until = ToTime(attempt.start_time());
  }
  entry.journal = std::make_shared<JobJournal>(std::move(record), environment_.database, hub_,
                                               environment_.options.outbox, environment_.clock);
  MutexLock lock(mu_);
  if (active) entry.supervisor = Supervise(AttemptSupervisor::Begin::kAdopt, entry.journal);
  SetQueued(entry, queued);
  entries_[uid] = std::move(entry);
  pacer_.Request();
}

absl::Status JobDispatcher::Start() {
  RETURN_IF_ERROR(usage_.Load());
  {
    MutexLock lock(mu_);
    for (auto& [uid, entry] : entries_) {
      entry.charged_until = std::max(entry.charged_until, usage_.charged_until());
    }
  }
  thread_ = std::thread([this] { Loop(); });
  devices_.Start([this] { pacer_.Request(); });
  return absl::OkStatus();
}

std::unique_ptr<AttemptSupervisor> JobDispatcher::Supervise(AttemptSupervisor::Begin begin,
                                                            std::shared_ptr<JobJournal> journal) {
  const std::string uid = journal->uid();
  return std::make_unique<AttemptSupervisor>(begin, std::move(journal), environment_, [this, uid] {
    MutexLock lock(mu_);
    const auto entry = entries_.find(uid);
    if (entry == entries_.end()) return;
    entry->second.attempt_ended = true;
    pacer_.Request();
  });
}

std::shared_ptr<JobJournal> JobDispatcher::Find(const std::string& uid) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(uid);
  return entry == entries_.end() ? nullptr : entry->second.journal;
}

void JobDispatcher::Wake(const std::string& uid) {
  MutexLock lock(mu_);
  const auto found = entries_.find(uid);
  if (found != entries_.end()) {
    Entry& entry = found->second;
    if (entry.supervisor != nullptr) {
      entry.supervisor->Wake();
    } else {
      SetQueued(entry, entry.journal->state() == v1::QUEUED);
    }
  }
  pacer_.Request();
}

void JobDispatcher::SetQueued(Entry& entry, bool queued) {
  if (entry.queued == queued) return;
  entry.queued = queued;
  queued_ += queued ? 1 : -1;
  int& of_owner = queued_of_[entry.facts->owner];
  of_owner += queued ? 1 : -1;
  if (of_owner == 0) queued_of_.erase(entry.facts->owner);
}

int JobDispatcher::QueuedCount() {
  MutexLock lock(mu_);
  return queued_;
}

int JobDispatcher::RunningCount() {
  MutexLock lock(mu_);
  return static_cast<int>(absl::c_count_if(
      entries_, [](const auto& entry) { return IsActive(entry.second.journal->state()); }));
}

int64_t JobDispatcher::SpoolBacklogBytes() {
  std::vector<std::shared_ptr<const SpoolBacklog>> backlogs;
  {
    MutexLock lock(mu_);
    for (const auto& [uid, entry] : entries_) {
      if (entry.supervisor != nullptr) backlogs.push_back(entry.supervisor->backlog());
    }
  }
  int64_t bytes = 0;
  for (const auto& backlog : backlogs) bytes += backlog->Bytes();
  return bytes;
}

int JobDispatcher::QueuedCountOf(const std::string& owner) {
  MutexLock lock(mu_);
  const auto found = queued_of_.find(owner);
  return found == queued_of_.end() ? 0 : found->second;
}

std::shared_ptr<const QueueView> JobDispatcher::Queue() {
  MutexLock lock(mu_);
  return queue_;
}

std::vector<DeviceUse> JobDispatcher::Devices() {
  std::vector<DeviceUse> devices;
  for (NodeDevice& device : devices_.List()) {
    devices.push_back({std::move(device.name), "", std::move(device.unavailable)});
  }
  absl::flat_hash_map<std::string, std::string> held;
  {
    MutexLock lock(mu_);
    for (const auto& [uid, entry] : entries_) {
      if (!IsActive(entry.journal->state())) continue;
      for (const std::string& device : entry.devices) held[device] = uid;
    }
  }
  for (DeviceUse& device : devices) {
    if (const auto found = held.find(device.device); found != held.end()) {
      device.job = found->second;
    }
  }
  return devices;
}

void JobDispatcher::Shutdown() {
  devices_.Stop();
  pacer_.Stop();
  if (thread_.joinable()) {
    thread_.join();
    {
      // What ran on, or ended, since the last pass.
      const absl::Time now = environment_.clock.Now();
      MutexLock lock(mu_);
      for (auto& [uid, entry] : entries_) {
        if (entry.supervisor != nullptr) Charge(now, entry);
      }
    }
    StoreUsage();
  }
  std::map<std::string, Entry> entries;
  {
    MutexLock lock(mu_);
    entries.swap(entries_);
  }
}

void JobDispatcher::Loop() {
  while (pacer_.BeginPass()) {
    Reap();
    Pass();
    pacer_.EndPass();
    if (environment_.clock.Now() - usage_stored_ >= kUsageInterval) StoreUsage();
  }
}

void JobDispatcher::Reap() {
  std::vector<std::unique_ptr<AttemptSupervisor>> ended;
  std::vector<std::shared_ptr<JobJournal>> requeued;
  std::vector<Entry> over;
  const absl::Time now = environment_.clock.Now();
  {
    MutexLock lock(mu_);
    for (auto it = entries_.begin(); it != entries_.end();) {
      Entry& entry = it->second;
      if (entry.attempt_ended) {
        Charge(now, entry);
        devices_.Release(entry.devices);
        ended.push_back(std::move(entry.supervisor));
        requeued.push_back(entry.journal);
        entry.devices.clear();
        entry.stopping_since = absl::InfiniteFuture();
        entry.attempt_ended = false;
      }
      if (entry.supervisor == nullptr && IsTerminal(entry.journal->state())) {
        SetQueued(entry, false);
        over.push_back(std::move(entry));
        it = entries_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const auto& journal : requeued) {
    // Without the lock: a commit may be under way. The job may have to pause before its next try.
    auto facts = MakeWaiting(journal->Copy().job, environment_.options.cpu_slots);
    MutexLock lock(mu_);
    const auto entry = entries_.find(journal->uid());
    if (entry == entries_.end()) continue;
    entry->second.facts = std::move(facts);
    SetQueued(entry->second, journal->state() == v1::QUEUED);
  }
  if (!ended.empty()) StoreUsage();
}

void JobDispatcher::Charge(absl::Time now, Entry& entry) {
  usage_.Charge(entry.facts->owner, WeightOf(entry.devices), entry.charged_until, now);
  entry.charged_until = std::max(entry.charged_until, now);
}

void JobDispatcher::StoreUsage() {
  usage_stored_ = environment_.clock.Now();
  if (const absl::Status stored = usage_.Store(); !stored.ok()) {
    environment_.Log(absl::StrCat("usage of the owners: ", stored.message()));
  }
}

Snapshot JobDispatcher::TakeSnapshot() {
  Snapshot snapshot;
  snapshot.now = environment_.clock.Now();
  snapshot.running_jobs_per_owner = environment_.options.max_running_jobs_per_owner;
  snapshot.devices = devices_.List();
  {
    MutexLock lock(mu_);
    snapshot.waiting.reserve(queued_);
    for (auto& [uid, entry] : entries_) {
      if (entry.supervisor != nullptr) {
        Charge(snapshot.now, entry);
        snapshot.running.push_back(Running(snapshot.now, entry));
      } else if (entry.queued && entry.journal->state() == v1::QUEUED) {
        snapshot.waiting.push_back(entry.facts);
      }
    }
    devices_.DropReservations([this](const std::string& uid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      const auto entry = entries_.find(uid);
      return entry == entries_.end() || !entry->second.queued;
    });
    devices_.MarkReserved(snapshot.devices);
  }
  snapshot.usage = usage_.At(snapshot.now);
  return snapshot;
}

RunningJob JobDispatcher::Running(absl::Time now, Entry& entry) {
  RunningJob job;
  job.uid = entry.facts->uid;
  job.name = entry.facts->name;
  job.owner = entry.facts->owner;
  job.priority = entry.facts->priority;
  job.preemptible = entry.preemptible;
  for (const std::string& device : entry.devices) {
    // One that an earlier daemon gave may be gone.
    if (const int index = devices_.IndexOf(device); index >= 0) job.devices.push_back(index);
  }
  job.started = entry.started;
  job.grace = entry.grace;
  job.stopping = entry.journal->state() == v1::STOPPING;
  job.ends = entry.started + entry.facts->time_limit;
  if (job.stopping) {
    entry.stopping_since = std::min(entry.stopping_since, now);
    job.ends = std::min(job.ends, entry.stopping_since + entry.grace);
  }
  return job;
}

void JobDispatcher::Pass() {
  Snapshot snapshot = TakeSnapshot();
  Decisions decisions = Schedule(snapshot);
  std::vector<Launch> launches;
  for (const Assignment& assignment : decisions.assignments) {
    Launch& launch = launches.emplace_back();
    launch.uid = snapshot.waiting[assignment.waiting]->uid;
    for (const int device : assignment.devices) {
      launch.devices.push_back(snapshot.devices[device].name);
    }
  }
  std::vector<GiveWay> give_ways;
  for (const Preemption& preemption : decisions.preemptions) {
    const WaitingJob& to = *snapshot.waiting[preemption.waiting];
    give_ways.push_back({snapshot.running[preemption.running].uid, to.uid, to.priority});
  }
  Publish(std::move(snapshot), std::move(decisions.waits));
  bool all_stored = true;
  for (const Launch& launch : launches) all_stored &= StartAttempt(launch);
  for (const GiveWay& give_way : give_ways) all_stored &= Preempt(give_way);
  if (!all_stored) pacer_.RequestBy(environment_.clock.Now() + kRetry);
}

void JobDispatcher::Publish(Snapshot snapshot, std::vector<Wait> waits) {
  const absl::Time now = snapshot.now;
  if (!snapshot.running.empty() || !waits.empty()) pacer_.RequestBy(now + kRefreshInterval);
  for (const Wait& wait : waits) {
    if (wait.why == Wait::Why::kPause) pacer_.RequestBy(wait.expected_start);
  }
  auto queue = std::make_shared<const QueueView>(std::move(snapshot), std::move(waits));
  MutexLock lock(mu_);
  devices_.DropReservations([&](const std::string& uid) {
    const Wait* const wait = queue->Find(uid);
    return wait != nullptr && StandsAside(*wait);
  });
  queue_.swap(queue);
}

bool JobDispatcher::StartAttempt(const Launch& launch) {
  const std::shared_ptr<JobJournal> journal = Find(launch.uid);
  if (journal == nullptr) return true;
  const absl::Time now = environment_.clock.Now();
  const absl::Status stored =
      journal->Change(Database::Priority::kControl,
                      [&](JobJournal::Draft& draft) { return Assign(launch.devices, now, draft); });
  if (absl::IsFailedPrecondition(stored)) return true;  // Cancelled just now.
  if (!stored.ok()) {
    environment_.Log(absl::StrCat("job ", launch.uid, " waits: ", stored.message()));
    return false;
  }
  MutexLock lock(mu_);
  Entry& entry = entries_.at(launch.uid);
  SetQueued(entry, false);
  entry.devices = launch.devices;
  entry.started = entry.charged_until = now;
  entry.supervisor = Supervise(AttemptSupervisor::Begin::kLaunch, journal);
  return true;
}

bool JobDispatcher::Preempt(const GiveWay& give_way) {
  const std::shared_ptr<JobJournal> journal = Find(give_way.uid);
  if (journal == nullptr) return true;
  const absl::Status stored =
      journal->Change(Database::Priority::kControl, [&](JobJournal::Draft& draft) {
        return draft.Apply(JobEventType::kPreempt,
                           absl::StrCat("makes way for a job of priority ", give_way.to_priority));
      });
  if (absl::IsFailedPrecondition(stored)) return true;  // It ended, or stops already.
  if (!stored.ok()) {
    environment_.Log(absl::StrCat("job ", give_way.uid, " goes on: ", stored.message()));
    return false;
  }
  MutexLock lock(mu_);
  const auto found = entries_.find(give_way.uid);
  if (found == entries_.end() || found->second.supervisor == nullptr) return true;
  devices_.Reserve(found->second.devices, give_way.to);
  found->second.supervisor->Wake();
  return true;
}

}  // namespace skytrain
