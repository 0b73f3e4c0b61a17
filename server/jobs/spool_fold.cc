#include "server/jobs/spool_fold.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/jobs/event_fold.h"
#include "skytrain/internal/v1/record.pb.h"

namespace skytrain {
namespace {

constexpr int64_t kBytesPerTransaction = 1 << 20;
// A larger one would not fit into a message of the stream (4 MiB).
constexpr size_t kLargestEvent = 3 << 20;

absl::Status FoldRankStarted(const internal::v1::RankStarted& started, JobJournal::Draft& draft) {
  if (started.rank() != 0) return absl::OkStatus();
  draft.attempt().set_resumed_from_step(started.resumed_from_step());
  // Steps behind the checkpoint are done anew.
  if (draft.job().has_progress()) {
    draft.job().mutable_progress()->set_step(started.resumed_from_step());
  }
  return draft.Apply(JobEventType::kStarted,
                     started.resumed_from_step() > 0
                         ? absl::StrCat("resumed from step ", started.resumed_from_step())
                         : "");
}

absl::Status FoldRecord(absl::string_view payload, JobJournal::Draft& draft) {
  internal::v1::Record record;
  // A record of a newer worker that this daemon cannot read says nothing about events.
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return absl::OkStatus();
  }
  if (record.has_rank_started()) return FoldRankStarted(record.rank_started(), draft);
  if (record.has_rank_result() && record.rank_result().rank() == 0) {
    draft.rank_result() = record.rank_result();
  }
  return absl::OkStatus();
}

// False when the bytes are no event, or none that can be sent.
bool FoldWorkerEvent(absl::string_view payload, JobJournal::Draft& draft) {
  if (payload.size() > kLargestEvent) return false;
  switch (KindOf(payload)) {
    case v1::Event::KIND_NOT_SET:
      return false;
    case v1::Event::kState:
    case v1::Event::kModel:
      return true;
    default:
      const int64_t before = draft.job().progress().step();
      draft.AppendBytes(payload);
      FoldEvent(payload, draft.job());
      draft.CountSteps(std::max<int64_t>(draft.job().progress().step() - before, 0));
      return true;
  }
}

void AppendGap(int64_t records, std::string reason, JobJournal::Draft& draft) {
  v1::Event event;
  event.mutable_gap()->set_records(records);
  event.mutable_gap()->set_reason(std::move(reason));
  draft.Append(std::move(event));
}

}  // namespace

absl::Status FoldSpools(SpoolTailer& tailer, JobJournal::Draft& draft, bool* more) {
  absl::Status folded;
  int64_t unreadable = 0;
  ASSIGN_OR_RETURN(const int64_t read,
                   tailer.Read(kBytesPerTransaction, [&](absl::string_view file, FrameType type,
                                                         absl::string_view payload) {
                     if (type == FrameType::kRecord) {
                       folded.Update(FoldRecord(payload, draft));
                     } else if (!FoldWorkerEvent(payload, draft)) {
                       ++unreadable;
                     }
                   }));
  RETURN_IF_ERROR(folded);
  *more = read >= kBytesPerTransaction;
  if (unreadable > 0) AppendGap(unreadable, "events that cannot be read", draft);
  if (const uint64_t skipped = tailer.TakeSkippedBytes(); skipped > 0) {
    AppendGap(0, absl::StrCat(skipped, " bytes of the run's spools were damaged"), draft);
  } else if (read == 0) {
    return absl::CancelledError("nothing new");
  }
  draft.CountSpoolBytes(read);
  draft.MoveOffsets(tailer.MovedOffsets());
  return absl::OkStatus();
}

bool IsNothingNew(const absl::Status& status) { return absl::IsCancelled(status); }

void AppendPublished(const v1::Model& model, JobJournal::Draft& draft) {
  draft.job().set_model(model.name());
  v1::Event event;
  v1::ModelPublished& published = *event.mutable_model();
  published.set_name(model.name());
  for (const v1::ModelFile& file : model.files()) {
    if (file.name() != "model.safetensors") continue;
    published.set_size_bytes(file.size_bytes());
    published.set_sha256(file.sha256());
  }
  draft.Append(std::move(event));
}

}  // namespace skytrain
