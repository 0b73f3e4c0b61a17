#include "server/rpc/watch_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/jobs/job_state.h"

namespace skytrain {
namespace {

// Batches are sent together up to so much: small ones come faster than messages can be sent.
constexpr size_t kMessageBytes = 128 << 10;

int64_t NowMs() { return absl::ToInt64Milliseconds(Clock::Real().Monotonic()); }

// A slice of the memory of `owner`, which lives until gRPC has sent it.
template <typename Owner>
grpc::Slice SharedSlice(std::shared_ptr<const Owner> owner) {
  const std::string& bytes = owner->bytes;
  auto kept = std::make_unique<std::shared_ptr<const Owner>>(std::move(owner));
  return grpc::Slice(
      const_cast<char*>(bytes.data()), bytes.size(),
      [](void* user) {
        std::unique_ptr<std::shared_ptr<const Owner>>{
            static_cast<std::shared_ptr<const Owner>*>(user)};
      },
      kept.release());
}

grpc::ByteBuffer BufferOf(const v1::WatchEventsResponse& response) {
  const grpc::Slice slice(response.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

// Only the first answer can say that events are missing; who asks again is told so.
absl::Status ReadError(const absl::Status& status) {
  if (!absl::IsOutOfRange(status)) return status;
  return ErrorWithReason(absl::StatusCode::kUnavailable, "EVENTS_REMOVED", status.message());
}

}  // namespace

WatchSlots::Slot::~Slot() {
  MutexLock lock(slots_.mu_);
  const auto taken = slots_.taken_.find(owner_);
  if (--taken->second == 0) slots_.taken_.erase(taken);
}

absl::StatusOr<std::unique_ptr<WatchSlots::Slot>> WatchSlots::Take(const std::string& owner) {
  MutexLock lock(mu_);
  int& taken = taken_[owner];
  if (taken >= of_each_owner_) {
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, "TOO_MANY_STREAMS",
                           absl::StrCat("you are watching ", taken,
                                        " streams already, the most that this server allows: end "
                                        "one of them"));
  }
  ++taken;
  return std::unique_ptr<Slot>(new Slot(*this, owner));
}

WatchStream* WatchStream::Start(Executor& executor, LiveCalls& live, const Sources& sources,
                                const Caller& caller, std::unique_ptr<WatchSlots::Slot> slot,
                                const v1::WatchEventsRequest& request) {
  std::shared_ptr<WatchStream> stream(
      new WatchStream(executor, live, sources, caller, std::move(slot), request));
  WatchStream* reactor = stream.get();
  Begin(std::move(stream));
  return reactor;
}

WatchStream::WatchStream(Executor& executor, LiveCalls& live, const Sources& sources, Caller caller,
                         std::unique_ptr<WatchSlots::Slot> slot,
                         const v1::WatchEventsRequest& request)
    : LongCall(executor, live),
      sources_(sources),
      caller_(std::move(caller)),
      slot_(std::move(slot)),
      request_(request),
      last_write_ms_(NowMs()),
      position_(request.after_seq()) {}

bool WatchStream::IsQuiet() const {
  return NowMs() - last_write_ms_.load() >= absl::ToInt64Milliseconds(sources_.quiet);
}

void WatchStream::Tick() {
  if (IsQuiet()) Wake();
}

absl::Status WatchStream::Open() {
  ASSIGN_OR_RETURN(const std::string id, ParseJobName(request_.name()));
  if (request_.after_seq() < 0) {
    return BadRequestError("BAD_REQUEST", {{"after_seq", "must not be negative"}});
  }
  ASSIGN_OR_RETURN(filter_, EventFilter::Of(request_));
  ASSIGN_OR_RETURN(v1::Job job, sources_.jobs.Get(caller_, id));
  job_uid_ = job.uid();
  lag_ = sources_.hub.lags().Add();
  lag_->Sent(position_);
  // The handle dies in Release, before the stream does, so the raw pointer holds.
  subscription_ = sources_.hub.Subscribe(job_uid_, [this](int64_t last_seq, bool terminal) {
    last_seq_ = last_seq;
    lag_->Committed(last_seq);
    if (terminal) terminal_seq_ = last_seq;
    Wake();
  });
  // Again: what was committed before the subscription is told by nobody.
  ASSIGN_OR_RETURN(job, sources_.jobs.Get(caller_, id));
  if (IsTerminal(job.state())) terminal_seq_ = job.last_seq();
  end_at_start_ = job.last_seq();
  lag_->Committed(end_at_start_);
  if (request_.after_seq() > job.last_seq()) {
    return ErrorWithReason(
        absl::StatusCode::kOutOfRange, "SEQ_OUT_OF_RANGE",
        absl::StrCat("after_seq ", request_.after_seq(), " lies beyond the last event of ",
                     job.name(), ", ", job.last_seq()));
  }
  ASSIGN_OR_RETURN(first_available_, sources_.log.FirstAvailable(job_uid_));
  return absl::OkStatus();
}

LongCall::Next WatchStream::Step() {
  if (subscription_ == nullptr) {
    if (absl::Status status = Open(); !status.ok()) return FinishWith(std::move(status));
    if (position_ + 1 < first_available_) return SendTruncated();
  }
  lag_->Sent(position_);  // No write is in flight here, so all of that is on its way.
  while (true) {
    // Before the read: an end that is told after it causes another Step.
    const int64_t terminal_seq = terminal_seq_;
    const int64_t known = std::max(last_seq_.load(), end_at_start_);
    if (!request_.follow() && position_ >= end_at_start_) {
      return WriteOr(FinishWith(absl::OkStatus()));
    }
    if (message_bytes_ >= kMessageBytes) return WriteOr(Idle());
    // At the end, nothing needs to be read to see that there is nothing.
    if (position_ >= known) return WriteOr(AtEnd(terminal_seq));
    auto batch = sources_.log.Read(job_uid_, position_);
    if (!batch.ok()) return WriteOr(FinishWith(ReadError(batch.status())));
    if (*batch == nullptr) return WriteOr(AtEnd(terminal_seq));
    const absl::StatusOr<bool> added = Add(*std::move(batch));
    if (!added.ok()) return WriteOr(FinishWith(added.status()));
    // Everything was filtered out: a long replay must give signs of life too.
    if (!*added && slices_.empty() && IsQuiet()) return SendPosition();
  }
}

absl::StatusOr<bool> WatchStream::Add(std::shared_ptr<const EventBatch> batch) {
  const bool whole = batch->first_seq == position_ + 1;
  const int64_t after_seq = std::exchange(position_, batch->last_seq);
  if (whole && filter_.passes_all()) {
    message_bytes_ += batch->bytes.size();
    slices_.push_back(SharedSlice(std::move(batch)));
    return true;
  }
  std::shared_ptr<const FilteredBatch> filtered;
  if (whole) {
    ASSIGN_OR_RETURN(filtered, sources_.filtered.Get(job_uid_, *batch, filter_, stride_state_));
  } else {
    ASSIGN_OR_RETURN(FilteredBatch rest, FilterBatch(*batch, after_seq, filter_, stride_state_));
    filtered = std::make_shared<const FilteredBatch>(std::move(rest));
  }
  stride_state_ = filtered->stride_state;
  if (filtered->bytes.empty()) return false;
  message_bytes_ += filtered->bytes.size();
  slices_.push_back(SharedSlice(std::move(filtered)));
  return true;
}

LongCall::Next WatchStream::WriteOr(Next otherwise) {
  if (slices_.empty()) {
    lag_->Sent(position_);  // The filter left nothing to send.
    return otherwise;
  }
  // Messages one behind the other are one message whose repeated fields are joined, and of whose
  // positions the last one counts.
  buffer_ = grpc::ByteBuffer(slices_.data(), slices_.size());
  slices_.clear();
  message_bytes_ = 0;
  return Write();
}

LongCall::Next WatchStream::AtEnd(int64_t terminal_seq) {
  if (terminal_seq > 0 && position_ >= terminal_seq) return FinishWith(absl::OkStatus());
  if (terminal_seq > 0 || !request_.follow()) {
    return FinishWith(ErrorWithReason(
        absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
        absl::StrCat(request_.name(), " was deleted while its events were being read")));
  }
  return IsQuiet() ? SendPosition() : Idle();
}

LongCall::Next WatchStream::SendPosition() {
  v1::WatchEventsResponse response;
  response.set_position(position_);
  buffer_ = BufferOf(response);
  return Write();
}

LongCall::Next WatchStream::SendTruncated() {
  position_ = first_available_ - 1;
  v1::WatchEventsResponse response;
  response.mutable_truncated()->set_first_available_seq(first_available_);
  response.set_position(position_);
  buffer_ = BufferOf(response);
  return Write();
}

void WatchStream::StartWriting() {
  last_write_ms_ = NowMs();
  StartWrite(&buffer_);
}

void WatchStream::FinishCall(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

}  // namespace skytrain
