#include "client/commands/attempt_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/exit_code.h"
#include "common/attempt/attempt_dir.h"
#include "common/attempt/attempt_reader.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"
#include "skytrain/internal/v1/record.pb.h"

namespace skytrain::client {
namespace {

constexpr uint64_t kBytesAtOnce = 1 << 20;
constexpr absl::Duration kPoll = absl::Milliseconds(200);

class Source {
 public:
  Source(AttemptDir dir, const internal::v1::AttemptSpec& spec, WatchObserver& observer)
      : dir_(dir), reader_(dir), observer_(observer) {
    job_.set_name(spec.job_name());
    job_.set_uid(spec.job_uid());
    if (spec.has_experiment()) *job_.mutable_experiment() = spec.experiment();
    if (spec.has_evaluation()) {
      job_.mutable_evaluation()->set_model(spec.evaluation().model_dir());
      *job_.mutable_evaluation()->mutable_data() = spec.evaluation().data();
      job_.mutable_evaluation()->set_split(spec.evaluation().split());
    }
    v1::Attempt& attempt = *job_.add_attempts();
    attempt.set_number(spec.number());
    *attempt.mutable_devices() = spec.devices();
    job_.set_state(v1::STARTING);
  }

  // What is new. True when the attempt is over and read to its end.
  absl::StatusOr<bool> Poll() {
    // Looked at before the spools, so that what was written before the end is read after it.
    ASSIGN_OR_RETURN(const auto exit, dir_.ReadExit());
    ASSIGN_OR_RETURN(const auto claim, dir_.ReadClaim());
    ASSIGN_OR_RETURN(const bool alone, dir_.NoProcessLeft());
    if (exit.has_value()) reader_.EndAt(*exit);
    size_t frames = 0;
    do {
      ASSIGN_OR_RETURN(frames, reader_.Poll(kBytesAtOnce, [this](const AttemptFrame& frame) {
        return Take(frame);
      }));
    } while (frames > 0);
    observer_.OnBatchEnd();
    if (exit.has_value()) {
      End(*exit);
      return true;
    }
    if (claim.has_value() && alone) {
      End(internal::v1::ExitRecord());
      return true;
    }
    return false;
  }

  v1::Job TakeJob() { return std::move(job_); }

 private:
  absl::Status Take(const AttemptFrame& frame) {
    if (frame.type == FrameType::kRecord) {
      internal::v1::Record record;
      if (record.ParseFromArray(frame.payload.data(), static_cast<int>(frame.payload.size())) &&
          record.has_rank_started()) {
        v1::Attempt& attempt = *job_.mutable_attempts(0);
        *attempt.mutable_start_time() = record.time();
        *job_.mutable_start_time() = record.time();
        attempt.set_resumed_from_step(record.rank_started().resumed_from_step());
        ChangeState(v1::RUNNING, record.time());
      }
      return absl::OkStatus();
    }
    v1::Event event;
    if (!event.ParseFromArray(frame.payload.data(), static_cast<int>(frame.payload.size()))) {
      return absl::OkStatus();  // Of a newer worker, or damaged within a good checksum: not ours.
    }
    Fold(event);
    Emit(std::move(event));
    return absl::OkStatus();
  }

  void Fold(const v1::Event& event) {
    v1::JobProgress& progress = *job_.mutable_progress();
    if (event.has_progress()) {
      progress.set_phase(event.progress().phase());
      progress.set_epoch(event.progress().epoch());
      progress.set_epochs(event.progress().epochs());
      progress.set_images_per_second(event.progress().images_per_second());
      progress.set_eta_seconds(event.progress().eta_seconds());
    }
    const v1::MetricBatch& batch = event.metrics();
    for (int i = 0; i < batch.value_size() && i < batch.name_size() && i < batch.step_size(); ++i) {
      if (batch.name(i) >= static_cast<uint32_t>(batch.names_size())) continue;
      (*job_.mutable_metrics())[batch.names(batch.name(i))] = batch.value(i);
      progress.set_step(std::max(progress.step(), batch.step(i)));
    }
  }

  void ChangeState(v1::JobState to, const google::protobuf::Timestamp& time) {
    v1::Event event;
    *event.mutable_time() = time;
    event.mutable_state()->set_from(job_.state());
    event.mutable_state()->set_to(to);
    job_.set_state(to);
    Emit(std::move(event));
  }

  void End(const internal::v1::ExitRecord& exit) {
    const bool known = exit.end() != v1::ATTEMPT_END_UNSPECIFIED;
    v1::Attempt& attempt = *job_.mutable_attempts(0);
    attempt.set_end(known ? exit.end() : v1::SHEPHERD_LOST);
    attempt.set_message(known ? exit.message()
                              : "no process of it is left, and none said how it ended");
    if (known) *attempt.mutable_end_time() = exit.time();
    if (known) *job_.mutable_end_time() = exit.time();
    job_.mutable_termination()->set_reason(attempt.end());
    job_.mutable_termination()->set_message(attempt.message());
    // Whether the job goes on after a stop is not in this folder; this attempt does not.
    const bool asked = attempt.end() == v1::STOPPED || attempt.end() == v1::PREEMPTED;
    ChangeState(attempt.end() == v1::COMPLETED ? v1::SUCCEEDED
                : asked                        ? v1::CANCELLED
                                               : v1::FAILED,
                exit.time());
  }

  void Emit(v1::Event event) {
    event.set_seq(++seq_);
    event.set_attempt(job_.attempts(0).number());
    job_.set_last_seq(seq_);
    observer_.OnEvent(event);
  }

  AttemptDir dir_;
  AttemptReader reader_;
  WatchObserver& observer_;
  v1::Job job_;
  int64_t seq_ = 0;
};

}  // namespace

absl::StatusOr<v1::Job> ReadAttempt(Interrupt& interrupt, const std::string& dir, bool follow,
                                    WatchObserver& observer) {
  const AttemptDir attempt(FileSystem::Posix(), dir);
  ASSIGN_OR_RETURN(const internal::v1::AttemptSpec spec, attempt.ReadSpec());
  Source source(attempt, spec, observer);
  while (true) {
    ASSIGN_OR_RETURN(const bool over, source.Poll());
    if (over || !follow) return source.TakeJob();
    if (!interrupt.Sleep(kPoll)) return absl::CancelledError("interrupted");
  }
}

}  // namespace skytrain::client
