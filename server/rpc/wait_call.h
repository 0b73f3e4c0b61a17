#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "server/events/event_hub.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/long_call.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// One WaitJob call: answers when the job is terminal or suspended, or with the job as it is at the
// deadline.
class WaitCall final : public grpc::ServerUnaryReactor, public LongCall {
 public:
  // The reactor for gRPC; it owns itself. `response` lives until it is done.
  static WaitCall* Start(Executor& executor, LiveCalls& live, JobManager& jobs, EventHub& hub,
                         const Caller& caller, const v1::WaitJobRequest& request,
                         v1::Job* response);

  void OnCancel() override { Cancelled(); }
  void OnDone() override { Done(); }
  void Tick() override;

 private:
  WaitCall(Executor& executor, LiveCalls& live, JobManager& jobs, EventHub& hub, Caller caller,
           const v1::WaitJobRequest& request, v1::Job* response);

  Next Step() override;
  void FinishCall(const absl::Status& status) override;
  void Release() override { subscription_.reset(); }

  JobManager& jobs_;
  EventHub& hub_;
  const Caller caller_;
  const std::string name_;
  v1::Job* const response_;
  const absl::Duration deadline_;                         // CLOCK_MONOTONIC.
  int ticks_ = 0;                                         // Used by Tick only.
  std::unique_ptr<EventHub::Subscription> subscription_;  // Used by Step only, until Release.
};

}  // namespace skytrain
