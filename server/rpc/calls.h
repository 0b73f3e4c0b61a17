#pragma once

#include <atomic>
#include <functional>

#include "absl/status/status.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/auth/authenticator.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/executor.h"
#include "server/rpc/long_call.h"

namespace skytrain {

// The daemon's life: kStarting → kServing → kDraining, or straight from kStarting to kDraining.
enum class ServingPhase {
  kStarting,  // Recovery is under way: what there is to say about jobs may not be true yet.
  kServing,
  kDraining,  // Stops: short calls still get their answer, new work and streams do not begin.
};

// What every handler is made of: who calls, where the work runs, whether the daemon takes work
// already and still. Thread-safe.
class Calls {
 public:
  explicit Calls(const Authenticator& authenticator);  // In phase kStarting.

  using Body = std::function<absl::Status(const Caller& caller)>;
  // Runs `body` on the executor and finishes the call with its status. The request and response of
  // the handler live until then.
  grpc::ServerUnaryReactor* Run(grpc::CallbackServerContext* context, Body body);
  // The same for bodies that may take seconds: they must not hold up the quick ones. Refused with
  // UNAVAILABLE (DRAINING) once the daemon drains.
  grpc::ServerUnaryReactor* RunSlow(grpc::CallbackServerContext* context, Body body);
  // As Run, but in every phase: for bodies that touch nothing that recovery makes.
  grpc::ServerUnaryReactor* RunAlways(grpc::CallbackServerContext* context, Body body);

  // Who calls. The errors of Authenticator::Authenticate.
  absl::StatusOr<Identity> IdentityOf(const grpc::CallbackServerContext& context) const;
  absl::StatusOr<Caller> CallerOf(const grpc::CallbackServerContext& context) const;
  // The same for a long call that is about to begin: UNAVAILABLE (STARTING) while the daemon
  // starts. (While it drains, LiveCalls ends it.)
  absl::StatusOr<Caller> Admit(const grpc::CallbackServerContext& context) const;
  // From now on `call` ends soon after what its caller proved himself by is revoked or has expired.
  void Guard(const grpc::CallbackServerContext& context, LongCall& call) const;

  ServingPhase phase() const { return phase_.load(); }
  // Recovery is done.
  void Serve();
  // From now on RunSlow is refused, and long calls end.
  void Drain();
  // True while a call that was accepted has not got its answer.
  bool Busy() { return running_ > 0 || live_.Any(); }

  Executor& executor() { return quick_; }
  Executor& slow_executor() { return slow_; }
  LiveCalls& live() { return live_; }

 private:
  grpc::ServerUnaryReactor* RunOn(Executor& executor, grpc::CallbackServerContext* context,
                                  absl::StatusOr<Caller> caller, Body body);

  const Authenticator& authenticator_;
  std::atomic<ServingPhase> phase_{ServingPhase::kStarting};
  LiveCalls live_;
  std::atomic<int> running_{0};  // Unary calls on the executors.
  Executor quick_;
  Executor slow_;
};

}  // namespace skytrain
