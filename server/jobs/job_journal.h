#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "server/events/event_batch_builder.h"
#include "server/events/event_hub.h"
#include "server/jobs/job_state.h"
#include "server/jobs/state_outbox.h"
#include "server/store/database.h"
#include "skytrain/internal/v1/record.pb.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// A job as it is folded from its events, together with what only the server needs to know.
struct JobRecord {
  v1::Job job;                           // With spec and attempts.
  internal::v1::RankResult rank_result;  // Of the newest attempt.
};

// The writer's side of one live job: every change of a job goes through here, one after the other,
// and is in the database before anyone sees it. Thread-safe.
class JobJournal {
 public:
  // A change in the making: events and what they do to the job. Valid during Change's callback.
  class Draft {
   public:
    v1::Job& job() { return record_.job; }
    internal::v1::RankResult& rank_result() { return record_.rank_result; }
    // The newest attempt. There must be one.
    v1::Attempt& attempt();

    // Events get their seq in the order of the calls; `time` is set to now when it is unset.
    void Append(v1::Event event);
    // Bytes of a serialized v1.Event, as a worker wrote them.
    void AppendBytes(absl::string_view event);
    // Along an edge of NextState: changes the state, sets stop cause, times and termination that go
    // with it, clears next_try_time, and appends the StateChange (none when state and stop cause
    // stay as they are), of which the outbox hears when the state is another. FAILED_PRECONDITION.
    absl::Status Apply(JobEventType type, const std::string& message,
                       v1::AttemptEnd attempt_end = v1::ATTEMPT_END_UNSPECIFIED);
    // A StateChange from the present state to itself, for people.
    void Remark(const std::string& message);
    void MoveOffsets(std::vector<std::pair<std::string, uint64_t>> offsets);
    // For the hub's counters: what the events were made of, and the steps of training they tell of.
    void CountSpoolBytes(int64_t bytes) { counted_.spool_bytes += bytes; }
    void CountSteps(int64_t steps) { counted_.steps += steps; }

   private:
    friend class JobJournal;
    Draft(JobRecord record, EventBatchBuilder& events, const StateOutbox& outbox, absl::Time now)
        : record_(std::move(record)), events_(events), outbox_(outbox), now_(now) {}
    int AttemptNumber() const;

    JobRecord record_;
    EventBatchBuilder& events_;
    const StateOutbox& outbox_;
    const absl::Time now_;
    std::vector<std::pair<std::string, uint64_t>> offsets_;
    EventHub::Stored counted_;
    std::vector<HookRow> hook_rows_;
  };

  // `record` as it is stored. The others must outlive the journal.
  JobJournal(JobRecord record, Database& database, EventHub& hub, const StateOutbox& outbox,
             Clock& clock);

  // Calls `change` with a draft of the job, then stores everything of it in one transaction and
  // tells the hub. When `change` or the commit fails, nothing has happened and its error is
  // returned.
  absl::Status Change(Database::Priority priority, absl::FunctionRef<absl::Status(Draft&)> change)
      ABSL_LOCKS_EXCLUDED(mu_);

  JobRecord Copy() const ABSL_LOCKS_EXCLUDED(mu_);
  // Of the last commit; does not wait for one that is under way.
  v1::JobState state() const { return state_.load(); }
  const std::string& uid() const { return uid_; }

  // The first event of a new job, and its rows, for the transaction that creates it. True: with
  // rows of the outbox, so tell it when that is committed.
  static absl::StatusOr<bool> Insert(Connection& connection, v1::Job& job,
                                     const StateOutbox& outbox, absl::Time now);

 private:
  // In one transaction.
  absl::Status Store(Database::Priority priority, const Draft& draft,
                     absl::Span<const HookRow> hook_rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string uid_;
  Database& database_;
  EventHub& hub_;
  const StateOutbox& outbox_;
  Clock& clock_;
  mutable Mutex mu_;
  JobRecord record_ ABSL_GUARDED_BY(mu_);
  EventBatchBuilder events_ ABSL_GUARDED_BY(mu_);
  std::atomic<v1::JobState> state_;
};

}  // namespace skytrain
