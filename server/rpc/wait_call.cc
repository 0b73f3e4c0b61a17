#include "server/rpc/wait_call.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/grpc/status.h"
#include "common/ids.h"
#include "server/jobs/job_state.h"

namespace skytrain {
namespace {

constexpr absl::Duration kDefaultTimeout = absl::Seconds(30);
constexpr absl::Duration kMaxTimeout = absl::Seconds(60);

constexpr int kTicksPerLook = 5;  // About once a second.

bool IsSettled(v1::JobState state) { return IsTerminal(state) || state == v1::SUSPENDED; }

absl::Duration TimeoutOf(const v1::WaitJobRequest& request) {
  if (!request.has_timeout()) return kDefaultTimeout;
  const absl::Duration asked =
      absl::Seconds(request.timeout().seconds()) + absl::Nanoseconds(request.timeout().nanos());
  return std::clamp(asked, absl::ZeroDuration(), kMaxTimeout);
}

}  // namespace

WaitCall* WaitCall::Start(Executor& executor, LiveCalls& live, JobManager& jobs, EventHub& hub,
                          const Caller& caller, const v1::WaitJobRequest& request,
                          v1::Job* response) {
  std::shared_ptr<WaitCall> call(
      new WaitCall(executor, live, jobs, hub, caller, request, response));
  WaitCall* reactor = call.get();
  Begin(std::move(call));
  return reactor;
}

WaitCall::WaitCall(Executor& executor, LiveCalls& live, JobManager& jobs, EventHub& hub,
                   Caller caller, const v1::WaitJobRequest& request, v1::Job* response)
    : LongCall(executor, live),
      jobs_(jobs),
      hub_(hub),
      caller_(std::move(caller)),
      name_(request.name()),
      response_(response),
      deadline_(Clock::Real().Monotonic() + TimeoutOf(request)) {}

void WaitCall::Tick() {
  // Of a job that is set aside the hub says no more than of any other event.
  const bool look = ++ticks_ % kTicksPerLook == 0;
  if (look || Clock::Real().Monotonic() >= deadline_) Wake();
}

LongCall::Next WaitCall::Step() {
  const absl::StatusOr<std::string> id = ParseJobName(name_);
  if (!id.ok()) return FinishWith(id.status());
  auto job = jobs_.Get(caller_, *id);
  if (job.ok() && !IsSettled(job->state()) && subscription_ == nullptr) {
    subscription_ = hub_.Subscribe(job->uid(), [this](int64_t, bool terminal) {
      if (terminal) Wake();
    });
    job = jobs_.Get(caller_, *id);  // Again: it may have ended before the subscription.
  }
  if (!job.ok()) return FinishWith(job.status());
  if (!IsSettled(job->state()) && Clock::Real().Monotonic() < deadline_) return Idle();
  *response_ = *std::move(job);
  return FinishWith(absl::OkStatus());
}

void WaitCall::FinishCall(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

}  // namespace skytrain
