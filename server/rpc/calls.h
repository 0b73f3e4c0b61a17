#pragma once

#include <atomic>
#include <functional>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/auth/peers.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/executor.h"
#include "server/rpc/long_call.h"

namespace skytrain {

// What every handler is made of: who calls, where the work runs, whether the daemon still takes
// work. Thread-safe.
class Calls {
 public:
  explicit Calls(const Peers& peers);

  using Body = std::function<absl::Status(const Caller& caller)>;
  // Runs `body` on the executor and finishes the call with its status. The request and response of
  // the handler live until then.
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context, Body body);
  // The same for bodies that may take seconds: they must not hold up the quick ones. Refused with
  // UNAVAILABLE (DRAINING) once the daemon drains.
  grpc::ServerUnaryReactor* RunSlow(grpc::CallbackServerContext* context, Body body);

  absl::StatusOr<Caller> CallerOf(const grpc::CallbackServerContext& context) const;

  // From now on RunSlow is refused, and long calls end.
  void Drain();

  Executor& executor() { return quick_; }
  Executor& slow_executor() { return slow_; }
  LiveCalls& live() { return live_; }

 private:
  grpc::ServerUnaryReactor* RunOn(Executor& executor, grpc::CallbackServerContext* context,
                                  Body body);

  const Peers& peers_;
  std::atomic<bool> draining_{false};
  LiveCalls live_;
  Executor quick_;
  Executor slow_;
};

}  // namespace skytrain
