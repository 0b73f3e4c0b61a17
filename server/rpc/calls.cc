#include "server/rpc/calls.h"

#include <utility>

#include "common/errors.h"
#include "common/grpc/status.h"
#include "server/auth/grpc/credentials.h"

namespace skytrain {
namespace {

// Quick bodies wait for the disk, not for a processor, so more threads than cores; a commit is
// shared by all creates that wait for it.
constexpr int kQuickThreads = 4;
constexpr int kSlowThreads = 16;
constexpr size_t kMaxWaiting = 1000;

absl::Status Unavailable(absl::string_view reason, absl::string_view message,
                         absl::Duration retry_delay) {
  return WithRetryDelay(ErrorWithReason(absl::StatusCode::kUnavailable, reason, message),
                        retry_delay);
}

absl::Status StartingError() {
  return Unavailable("STARTING", "the daemon is starting: it takes up the jobs it has. Try again",
                     absl::Milliseconds(500));
}

absl::Status DrainingError() {
  return Unavailable("DRAINING",
                     "the daemon is stopping; running jobs go on. Try again when it is back",
                     absl::Seconds(2));
}

absl::Status OverloadedError() {
  return Unavailable("OVERLOADED", "too many requests wait already. Try again", absl::Seconds(1));
}

grpc::ServerUnaryReactor* FinishedWith(grpc::CallbackServerContext* context,
                                       const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

Calls::Calls(const Authenticator& authenticator)
    : authenticator_(authenticator),
      quick_(kQuickThreads, kMaxWaiting),
      slow_(kSlowThreads, kMaxWaiting) {}

absl::StatusOr<Identity> Calls::IdentityOf(const grpc::CallbackServerContext& context) const {
  return authenticator_.Authenticate(CredentialsOf(context));
}

absl::StatusOr<Caller> Calls::CallerOf(const grpc::CallbackServerContext& context) const {
  absl::StatusOr<Identity> identity = IdentityOf(context);
  if (!identity.ok()) return identity.status();
  return Caller{std::move(identity->owner), identity->admin};
}

void Calls::Guard(const grpc::CallbackServerContext& context, LongCall& call) const {
  const absl::StatusOr<Identity> identity = IdentityOf(context);
  if (!identity.ok()) return call.End(identity.status());
  if (identity->proof == Identity::Proof::kUnixUser) return;
  call.SetCheck([this, identity = *identity] { return authenticator_.Recheck(identity); });
}

absl::StatusOr<Caller> Calls::Admit(const grpc::CallbackServerContext& context) const {
  absl::StatusOr<Caller> caller = CallerOf(context);
  // Who is not known learns nothing, not even the phase.
  if (caller.ok() && phase() == ServingPhase::kStarting) return StartingError();
  return caller;
}

grpc::ServerUnaryReactor* Calls::Run(grpc::CallbackServerContext* context, Body body) {
  return RunOn(quick_, context, Admit(*context), std::move(body));
}

grpc::ServerUnaryReactor* Calls::RunSlow(grpc::CallbackServerContext* context, Body body) {
  absl::StatusOr<Caller> caller = Admit(*context);
  if (caller.ok() && phase() == ServingPhase::kDraining) caller = DrainingError();
  return RunOn(slow_, context, std::move(caller), std::move(body));
}

grpc::ServerUnaryReactor* Calls::RunAlways(grpc::CallbackServerContext* context, Body body) {
  return RunOn(quick_, context, CallerOf(*context), std::move(body));
}

grpc::ServerUnaryReactor* Calls::RunOn(Executor& executor, grpc::CallbackServerContext* context,
                                       absl::StatusOr<Caller> caller, Body body) {
  if (!caller.ok()) return FinishedWith(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  ++running_;
  const bool accepted =
      executor.TrySubmit([this, reactor, caller = *std::move(caller), body = std::move(body)] {
        reactor->Finish(ToGrpcStatus(body(caller)));
        --running_;
      });
  if (!accepted) {
    reactor->Finish(ToGrpcStatus(OverloadedError()));
    --running_;
  }
  return reactor;
}

void Calls::Serve() {
  ServingPhase starting = ServingPhase::kStarting;
  phase_.compare_exchange_strong(starting, ServingPhase::kServing);
}

void Calls::Drain() {
  phase_ = ServingPhase::kDraining;
  live_.EndAll(DrainingError());
}

}  // namespace skytrain
