#include "server/jobs/job_journal.h"

#include <memory>

#include "common/digest/digest.h"
#include "common/status_macros.h"
#include "common/timestamp.h"
#include "google/protobuf/timestamp.pb.h"
#include "server/jobs/job_codec.h"
#include "server/store/event_rows.h"
#include "server/store/job_rows.h"

namespace skytrain {
namespace {

absl::Status InsertBatches(Connection& connection, absl::string_view uid,
                           absl::Span<const EventBatchBuilder::Batch> batches) {
  for (const EventBatchBuilder::Batch& batch : batches) {
    RETURN_IF_ERROR(InsertBatch(connection, uid, batch.first_seq, batch.count,
                                MaskCrc(Crc32c(batch.bytes)), batch.bytes));
  }
  return absl::OkStatus();
}

absl::Status InsertHookRows(Connection& connection, absl::Span<const HookRow> rows) {
  for (const HookRow& row : rows) RETURN_IF_ERROR(InsertHookRow(connection, row));
  return absl::OkStatus();
}

void SetTimes(v1::JobState to, absl::Time now, v1::Job& job) {
  if (to == v1::STARTING && !job.has_start_time()) *job.mutable_start_time() = ToTimestamp(now);
  if (IsTerminal(to)) *job.mutable_end_time() = ToTimestamp(now);
}

}  // namespace

v1::Attempt& JobJournal::Draft::attempt() {
  return *record_.job.mutable_attempts(record_.job.attempts_size() - 1);
}

int JobJournal::Draft::AttemptNumber() const { return record_.job.attempts_size(); }

void JobJournal::Draft::Append(v1::Event event) {
  if (!event.has_time()) *event.mutable_time() = ToTimestamp(now_);
  AppendBytes(event.SerializeAsString());
}

void JobJournal::Draft::AppendBytes(absl::string_view event) {
  events_.Append(event, AttemptNumber());
  record_.job.set_last_seq(events_.next_seq() - 1);
}

absl::Status JobJournal::Draft::Apply(JobEventType type, const std::string& message,
                                      v1::AttemptEnd attempt_end) {
  v1::Job& job = record_.job;
  const v1::JobState from = job.state();
  ASSIGN_OR_RETURN(const v1::JobState to, NextState(from, type));
  ASSIGN_OR_RETURN(const v1::StopCause cause, NextStopCause(job.stop_cause(), to, type));
  if (attempt_end != v1::ATTEMPT_END_UNSPECIFIED) {
    attempt().set_end(attempt_end);
    attempt().set_message(message);
    *attempt().mutable_end_time() = ToTimestamp(now_);
  }
  if (from == to && cause == job.stop_cause()) return absl::OkStatus();
  job.set_state(to);
  job.set_stop_cause(cause);
  job.clear_next_try_time();
  SetTimes(to, now_, job);
  v1::Event event;
  v1::StateChange& change = *event.mutable_state();
  change.set_from(from);
  change.set_to(to);
  change.set_message(message);
  change.set_attempt_end(attempt_end);
  if (IsTerminal(to)) {
    v1::Termination& termination = *job.mutable_termination();
    if (job.attempts_size() > 0) termination.set_reason(attempt().end());
    termination.set_message(message);
    termination.set_cancelled(to == v1::CANCELLED);
    *change.mutable_termination() = termination;
  }
  Append(event);
  if (from == to || !outbox_.rows) return absl::OkStatus();
  event.set_seq(job.last_seq());
  event.set_attempt(AttemptNumber());
  *event.mutable_time() = ToTimestamp(now_);
  for (HookRow& row : outbox_.rows(job, event)) hook_rows_.push_back(std::move(row));
  return absl::OkStatus();
}

void JobJournal::Draft::Remark(const std::string& message) {
  v1::Event event;
  event.mutable_state()->set_from(record_.job.state());
  event.mutable_state()->set_to(record_.job.state());
  event.mutable_state()->set_message(message);
  Append(std::move(event));
}

void JobJournal::Draft::MoveOffsets(std::vector<std::pair<std::string, uint64_t>> offsets) {
  offsets_ = std::move(offsets);
}

JobJournal::JobJournal(JobRecord record, Database& database, EventHub& hub,
                       const StateOutbox& outbox, Clock& clock)
    : uid_(record.job.uid()),
      database_(database),
      hub_(hub),
      outbox_(outbox),
      clock_(clock),
      record_(std::move(record)),
      state_(record_.job.state()) {}

absl::Status JobJournal::Store(Database::Priority priority, const Draft& draft,
                               absl::Span<const HookRow> hook_rows) {
  const v1::Job& job = draft.record_.job;
  const JobRow row = ToSnapshotRow(job);
  AttemptRow attempt;
  if (job.attempts_size() > 0) {
    attempt = {job.attempts_size(), job.attempts().rbegin()->SerializeAsString(),
               draft.record_.rank_result.SerializeAsString()};
  }
  const absl::Span<const EventBatchBuilder::Batch> batches = events_.batches();
  return database_.Write(
      priority,
      [&](Connection& connection) -> absl::Status {
        RETURN_IF_ERROR(InsertBatches(connection, uid_, batches));
        for (const auto& [file, offset] : draft.offsets_) {
          RETURN_IF_ERROR(PutSpoolOffset(connection, uid_, attempt.number, file, offset));
        }
        if (attempt.number > 0) RETURN_IF_ERROR(PutAttempt(connection, uid_, attempt));
        RETURN_IF_ERROR(InsertHookRows(connection, hook_rows));
        return UpdateJob(connection, row);
      },
      events_.bytes());
}

absl::Status JobJournal::Change(Database::Priority priority,
                                absl::FunctionRef<absl::Status(Draft&)> change) {
  int64_t last_seq = 0;
  bool terminal = false;
  {
    MutexLock lock(mu_);
    events_.Reset(record_.job.last_seq() + 1);
    Draft draft(record_, events_, outbox_, clock_.Now());
    RETURN_IF_ERROR(change(draft));
    absl::Status stored = Store(priority, draft, draft.hook_rows_);
    if (!stored.ok() && !draft.hook_rows_.empty()) {
      // Nobody's hook may stand in the way of a change, not even by the last page of a full disk.
      stored = Store(priority, draft, {});
      if (stored.ok()) outbox_.lost(draft.hook_rows_);
    } else if (!draft.hook_rows_.empty()) {
      outbox_.stored();
    }
    RETURN_IF_ERROR(stored);
    const v1::Job& job = draft.record_.job;
    last_seq = job.last_seq();
    draft.counted_.events = last_seq - record_.job.last_seq();
    draft.counted_.bytes = events_.bytes();
    hub_.CountStored(draft.counted_);
    terminal = IsTerminal(job.state());
    state_.store(job.state());
    record_ = std::move(draft.record_);
    for (const EventBatchBuilder::Batch& batch : events_.batches()) {
      hub_.recent().Put(
          uid_, std::make_shared<EventBatch>(
                    EventBatch{batch.first_seq, batch.first_seq + batch.count - 1, batch.bytes}));
    }
  }
  hub_.Publish(uid_, last_seq, terminal);
  return absl::OkStatus();
}

JobRecord JobJournal::Copy() const {
  MutexLock lock(mu_);
  return record_;
}

absl::StatusOr<bool> JobJournal::Insert(Connection& connection, v1::Job& job,
                                        const StateOutbox& outbox, absl::Time now) {
  EventBatchBuilder events;
  events.Reset(1);
  Draft draft(JobRecord{job, {}}, events, outbox, now);
  *draft.job().mutable_create_time() = ToTimestamp(now);
  RETURN_IF_ERROR(draft.Apply(JobEventType::kCreated, ""));
  job = draft.job();
  RETURN_IF_ERROR(InsertJob(connection, ToRow(job)));
  RETURN_IF_ERROR(InsertHookRows(connection, draft.hook_rows_));
  RETURN_IF_ERROR(InsertBatches(connection, job.uid(), events.batches()));
  return !draft.hook_rows_.empty();
}

}  // namespace skytrain
