#include "server/jobs/job_dispatcher.h"

#include <chrono>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "google/protobuf/util/time_util.h"
#include "server/jobs/attempt_plan.h"

namespace skytrain {
namespace {

// When an assignment could not be stored (a full disk): so long until the next try.
constexpr std::chrono::seconds kRetry(1);

absl::Status Assign(const std::vector<std::string>& devices, absl::Time now,
                    JobJournal::Draft& draft) {
  v1::Attempt& attempt = *draft.job().add_attempts();
  attempt.set_number(draft.job().attempts_size());
  attempt.mutable_devices()->Assign(devices.begin(), devices.end());
  *attempt.mutable_start_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(now));
  draft.rank_result().Clear();
  return draft.Apply(JobEventType::kAssigned, absl::StrCat("on ", absl::StrJoin(devices, ", ")));
}

}  // namespace

JobDispatcher::JobDispatcher(const AttemptEnvironment& environment, EventHub& hub)
    : environment_(environment), hub_(hub) {}

JobDispatcher::~JobDispatcher() { Shutdown(); }

void JobDispatcher::Add(JobRecord record) {
  const std::string uid = record.job.uid();
  const bool active = IsActive(record.job.state());
  Entry entry;
  const Demand demand = DemandOf(record.job, environment_.options.cpu_slots);
  entry.demand = {uid, demand.gpus, demand.cpus};
  if (active) {
    const auto& devices = record.job.attempts().rbegin()->devices();
    entry.devices.assign(devices.begin(), devices.end());
  }
  entry.journal = std::make_shared<JobJournal>(std::move(record), environment_.database, hub_,
                                               environment_.clock);
  MutexLock lock(mu_);
  if (active) entry.supervisor = Supervise(AttemptSupervisor::Begin::kAdopt, entry.journal);
  entries_[uid] = std::move(entry);
  dirty_ = true;
  changed_.NotifyOne();
}

void JobDispatcher::Start() {
  thread_ = std::thread([this] { Loop(); });
}

std::unique_ptr<AttemptSupervisor> JobDispatcher::Supervise(AttemptSupervisor::Begin begin,
                                                            std::shared_ptr<JobJournal> journal) {
  const std::string uid = journal->uid();
  return std::make_unique<AttemptSupervisor>(begin, std::move(journal), environment_, [this, uid] {
    MutexLock lock(mu_);
    const auto entry = entries_.find(uid);
    if (entry == entries_.end()) return;
    entry->second.attempt_ended = true;
    dirty_ = true;
    changed_.NotifyOne();
  });
}

std::shared_ptr<JobJournal> JobDispatcher::Find(const std::string& uid) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(uid);
  return entry == entries_.end() ? nullptr : entry->second.journal;
}

void JobDispatcher::Wake(const std::string& uid) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(uid);
  if (entry != entries_.end() && entry->second.supervisor != nullptr) {
    entry->second.supervisor->Wake();
  }
  dirty_ = true;
  changed_.NotifyOne();
}

int JobDispatcher::QueuedCount() {
  MutexLock lock(mu_);
  int queued = 0;
  for (const auto& [uid, entry] : entries_) queued += entry.journal->state() == v1::QUEUED;
  return queued;
}

int JobDispatcher::QueuePosition(const std::string& wanted) {
  MutexLock lock(mu_);
  int position = 0;
  for (const auto& [uid, entry] : entries_) {
    if (entry.journal->state() != v1::QUEUED) continue;
    ++position;
    if (uid == wanted) return position;
  }
  return 0;
}

std::vector<std::pair<std::string, std::string>> JobDispatcher::Holders() {
  absl::flat_hash_map<std::string, std::string> held;
  {
    MutexLock lock(mu_);
    for (const auto& [uid, entry] : entries_) {
      if (!IsActive(entry.journal->state())) continue;
      for (const std::string& device : entry.devices) held[device] = uid;
    }
  }
  std::vector<std::pair<std::string, std::string>> holders;
  for (const std::string& gpu : environment_.options.gpu_devices) holders.emplace_back(gpu, "");
  for (int slot = 0; slot < environment_.options.cpu_slots; ++slot) {
    holders.emplace_back(absl::StrCat("cpu:", slot), "");
  }
  for (auto& [device, uid] : holders) {
    if (const auto found = held.find(device); found != held.end()) uid = found->second;
  }
  return holders;
}

void JobDispatcher::Shutdown() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  std::map<std::string, Entry> entries;
  {
    MutexLock lock(mu_);
    entries.swap(entries_);
  }
}

void JobDispatcher::Loop() {
  while (true) {
    {
      MutexLock lock(mu_);
      while (!dirty_ && !stop_) changed_.Wait(mu_);
      if (stop_) return;
      dirty_ = false;
    }
    Reap();
    StartAttempts();
  }
}

void JobDispatcher::Reap() {
  std::vector<std::unique_ptr<AttemptSupervisor>> ended;
  std::vector<Entry> over;
  {
    MutexLock lock(mu_);
    for (auto it = entries_.begin(); it != entries_.end();) {
      Entry& entry = it->second;
      if (entry.attempt_ended) {
        ended.push_back(std::move(entry.supervisor));
        entry.devices.clear();
        entry.attempt_ended = false;
      }
      if (entry.supervisor == nullptr && IsTerminal(entry.journal->state())) {
        over.push_back(std::move(entry));
        it = entries_.erase(it);
      } else {
        ++it;
      }
    }
  }
}

ScheduleInput JobDispatcher::Snapshot() {
  using Kind = ScheduleInput::Device::Kind;
  absl::flat_hash_map<std::string, bool> held;
  ScheduleInput input;
  MutexLock lock(mu_);
  for (const auto& [uid, entry] : entries_) {
    if (entry.supervisor != nullptr) {
      for (const std::string& device : entry.devices) held[device] = true;
    } else if (entry.journal->state() == v1::QUEUED) {
      input.queue.push_back(entry.demand);
    }
  }
  for (const std::string& gpu : environment_.options.gpu_devices) {
    input.devices.push_back({gpu, Kind::kGpu, !held.contains(gpu)});
  }
  for (int slot = 0; slot < environment_.options.cpu_slots; ++slot) {
    std::string name = absl::StrCat("cpu:", slot);
    const bool free = !held.contains(name);
    input.devices.push_back({std::move(name), Kind::kCpu, free});
  }
  return input;
}

void JobDispatcher::StartAttempts() {
  bool all_stored = true;
  for (const Assignment& assignment : Schedule(Snapshot())) {
    all_stored = StartAttempt(assignment) && all_stored;
  }
  if (all_stored) return;
  MutexLock lock(mu_);
  if (!stop_ && !dirty_) changed_.WaitFor(mu_, kRetry);
  dirty_ = true;
}

bool JobDispatcher::StartAttempt(const Assignment& assignment) {
  const std::shared_ptr<JobJournal> journal = Find(assignment.uid);
  if (journal == nullptr) return true;
  const absl::Status stored =
      journal->Change(Database::Priority::kControl, [&](JobJournal::Draft& draft) {
        return Assign(assignment.devices, environment_.clock.Now(), draft);
      });
  if (absl::IsFailedPrecondition(stored)) return true;  // Cancelled just now.
  if (!stored.ok()) {
    environment_.Log(absl::StrCat("job ", assignment.uid, " waits: ", stored.message()));
    return false;
  }
  MutexLock lock(mu_);
  Entry& entry = entries_.at(assignment.uid);
  entry.devices = assignment.devices;
  entry.supervisor = Supervise(AttemptSupervisor::Begin::kLaunch, journal);
  return true;
}

}  // namespace skytrain
