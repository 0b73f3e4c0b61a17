#include "server/rpc/calls.h"

#include <utility>

#include "common/errors.h"
#include "common/grpc/status.h"

namespace skytrain {
namespace {

// Quick bodies wait for the disk, not for a processor, so more threads than cores; a commit is
// shared by all creates that wait for it.
constexpr int kQuickThreads = 4;
constexpr int kSlowThreads = 16;
constexpr size_t kMaxWaiting = 1000;

absl::Status DrainingError() {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "DRAINING",
                         "the daemon is stopping; running jobs go on. Try again when it is back");
}

absl::Status OverloadedError() {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "OVERLOADED",
                         "too many requests wait already. Try again");
}

grpc::ServerUnaryReactor* FinishedWith(grpc::CallbackServerContext* context,
                                       const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

Calls::Calls(const Peers& peers)
    : peers_(peers), quick_(kQuickThreads, kMaxWaiting), slow_(kSlowThreads, kMaxWaiting) {}

absl::StatusOr<Caller> Calls::CallerOf(const grpc::CallbackServerContext& context) const {
  absl::StatusOr<std::string> owner = peers_.OwnerOf(context.peer());
  if (!owner.ok()) return owner.status();
  return Caller{*std::move(owner), false};
}

grpc::ServerUnaryReactor* Calls::Run(grpc::CallbackServerContext* context, Body body) {
  return RunOn(quick_, context, std::move(body));
}

grpc::ServerUnaryReactor* Calls::RunSlow(grpc::CallbackServerContext* context, Body body) {
  if (draining_) return FinishedWith(context, DrainingError());
  return RunOn(slow_, context, std::move(body));
}

grpc::ServerUnaryReactor* Calls::RunOn(Executor& executor, grpc::CallbackServerContext* context,
                                       Body body) {
  absl::StatusOr<Caller> caller = CallerOf(*context);
  if (!caller.ok()) return FinishedWith(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool accepted =
      executor.TrySubmit([reactor, caller = *std::move(caller), body = std::move(body)] {
        reactor->Finish(ToGrpcStatus(body(caller)));
      });
  if (!accepted) reactor->Finish(ToGrpcStatus(OverloadedError()));
  return reactor;
}

void Calls::Drain() {
  draining_ = true;
  live_.EndAll(DrainingError());
}

}  // namespace skytrain
