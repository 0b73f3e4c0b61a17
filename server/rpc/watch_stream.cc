#include "server/rpc/watch_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/jobs/job_state.h"
#include "server/rpc/event_filter.h"

namespace skytrain {
namespace {

// The promise is 5 s; the ticker looks five times a second.
constexpr int64_t kQuietMs = 4500;

int64_t NowMs() { return absl::ToInt64Milliseconds(Clock::Real().Monotonic()); }

// A buffer that shares the memory of `owner` until gRPC has sent it.
template <typename Owner>
grpc::ByteBuffer SharedBuffer(std::shared_ptr<Owner> owner, const std::string& bytes) {
  auto kept = std::make_unique<std::shared_ptr<Owner>>(std::move(owner));
  const grpc::Slice slice(
      const_cast<char*>(bytes.data()), bytes.size(),
      [](void* user) {
        std::unique_ptr<std::shared_ptr<Owner>>{static_cast<std::shared_ptr<Owner>*>(user)};
      },
      kept.release());
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer CopiedBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::vector<v1::EventKind> KindsOf(const v1::WatchEventsRequest& request) {
  std::vector<v1::EventKind> kinds;
  for (const int kind : request.kinds()) kinds.push_back(static_cast<v1::EventKind>(kind));
  return kinds;
}

}  // namespace

WatchStream* WatchStream::Start(Executor& executor, LiveCalls& live, const Sources& sources,
                                const Caller& caller, const v1::WatchEventsRequest& request) {
  std::shared_ptr<WatchStream> stream(new WatchStream(executor, live, sources, caller, request));
  WatchStream* reactor = stream.get();
  Begin(std::move(stream));
  return reactor;
}

WatchStream::WatchStream(Executor& executor, LiveCalls& live, const Sources& sources, Caller caller,
                         const v1::WatchEventsRequest& request)
    : LongCall(executor, live),
      sources_(sources),
      caller_(std::move(caller)),
      request_(request),
      kinds_(KindsOf(request)),
      last_write_ms_(NowMs()),
      position_(request.after_seq()) {}

void WatchStream::Tick() {
  if (NowMs() - last_write_ms_.load() >= kQuietMs) Wake();
}

absl::Status WatchStream::Open() {
  ASSIGN_OR_RETURN(const std::string id, ParseJobName(request_.name()));
  if (request_.after_seq() < 0) {
    return BadRequestError("BAD_REQUEST", {{"after_seq", "must not be negative"}});
  }
  ASSIGN_OR_RETURN(v1::Job job, sources_.jobs.Get(caller_, id));
  job_uid_ = job.uid();
  // The handle dies in Release, before the stream does, so the raw pointer holds.
  subscription_ = sources_.hub.Subscribe(job_uid_, [this](int64_t last_seq, bool terminal) {
    if (terminal) terminal_seq_ = last_seq;
    Wake();
  });
  // Again: what was committed before the subscription is told by nobody.
  ASSIGN_OR_RETURN(job, sources_.jobs.Get(caller_, id));
  if (IsTerminal(job.state())) terminal_seq_ = job.last_seq();
  end_at_start_ = job.last_seq();
  if (request_.after_seq() > job.last_seq()) {
    return ErrorWithReason(
        absl::StatusCode::kOutOfRange, "SEQ_OUT_OF_RANGE",
        absl::StrCat("after_seq ", request_.after_seq(), " lies beyond the last event of ",
                     job.name(), ", ", job.last_seq()));
  }
  return absl::OkStatus();
}

LongCall::Next WatchStream::Step() {
  if (subscription_ == nullptr) {
    if (absl::Status status = Open(); !status.ok()) return FinishWith(std::move(status));
  }
  while (true) {
    // Before the read: an end that is told after it causes another Step.
    const int64_t terminal_seq = terminal_seq_;
    if (!request_.follow() && position_ >= end_at_start_) return FinishWith(absl::OkStatus());
    auto batch = sources_.log.Read(job_uid_, position_);
    if (!batch.ok()) return FinishWith(batch.status());
    if (*batch == nullptr) return AtEnd(terminal_seq);
    if (Next next = Send(*std::move(batch)); next.kind != Next::Kind::kIdle) return next;
    // Everything was filtered out: a long replay must give signs of life too.
    if (NowMs() - last_write_ms_ >= kQuietMs) return SendPosition();
  }
}

LongCall::Next WatchStream::Send(std::shared_ptr<const EventBatch> batch) {
  const bool whole = batch->first_seq == position_ + 1;
  const int64_t after_seq = std::exchange(position_, batch->last_seq);
  if (whole && kinds_.empty()) {
    const std::string& bytes = batch->bytes;
    buffer_ = SharedBuffer(std::move(batch), bytes);
    return Write();
  }
  const auto filtered = FilterBatch(*batch, after_seq, kinds_);
  if (!filtered.ok()) return FinishWith(filtered.status());
  if (filtered->empty()) return Idle();
  buffer_ = CopiedBuffer(*filtered);
  return Write();
}

LongCall::Next WatchStream::AtEnd(int64_t terminal_seq) {
  if (terminal_seq > 0 && position_ >= terminal_seq) return FinishWith(absl::OkStatus());
  if (terminal_seq > 0 || !request_.follow()) {
    return FinishWith(ErrorWithReason(
        absl::StatusCode::kNotFound, "JOB_NOT_FOUND",
        absl::StrCat(request_.name(), " was deleted while its events were being read")));
  }
  return NowMs() - last_write_ms_ >= kQuietMs ? SendPosition() : Idle();
}

LongCall::Next WatchStream::SendPosition() {
  v1::WatchEventsResponse response;
  response.set_position(position_);
  buffer_ = CopiedBuffer(response.SerializeAsString());
  return Write();
}

void WatchStream::StartWriting() {
  last_write_ms_ = NowMs();
  StartWrite(&buffer_);
}

void WatchStream::FinishCall(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

}  // namespace skytrain
