#include "server/rpc/long_call.h"

#include <chrono>
#include <utility>

namespace skytrain {
namespace {

constexpr std::chrono::milliseconds kTick(200);

}  // namespace

void LongCall::Begin(std::shared_ptr<LongCall> call) {
  LongCall& that = *call;
  that.self_ = call;
  that.live_.Add(call);
  that.Wake();
}

void LongCall::Wake() {
  {
    MutexLock lock(mu_);
    if (phase_ != Phase::kIdle) {
      news_ = true;
      return;
    }
    phase_ = Phase::kStepping;
    news_ = false;
  }
  executor_.Submit([self = shared_from_this()] { self->RunSteps(); });
}

void LongCall::RunSteps() {
  while (true) {
    std::optional<absl::Status> end;
    {
      MutexLock lock(mu_);
      end = end_;
    }
    Next next = end.has_value() ? FinishWith(*std::move(end)) : Step();
    {
      MutexLock lock(mu_);
      switch (next.kind) {
        case Next::Kind::kIdle:
          if (!news_) {
            phase_ = Phase::kIdle;
            return;
          }
          news_ = false;
          continue;
        case Next::Kind::kWrite:
          phase_ = Phase::kWriting;
          break;
        case Next::Kind::kFinish:
          phase_ = Phase::kFinished;
          break;
      }
    }
    if (next.kind == Next::Kind::kWrite) {
      StartWriting();
    } else {
      FinishCall(next.status);
    }
    return;
  }
}

void LongCall::WriteDone(bool ok) {
  {
    MutexLock lock(mu_);
    phase_ = Phase::kIdle;
    if (!ok && !end_.has_value()) end_ = absl::CancelledError("the client is gone");
  }
  Wake();
}

void LongCall::Cancelled() { End(absl::CancelledError("cancelled by the client")); }

void LongCall::End(const absl::Status& why) {
  {
    MutexLock lock(mu_);
    if (!end_.has_value()) end_ = why;
  }
  Wake();
}

void LongCall::SetCheck(std::function<absl::Status()> check) {
  MutexLock lock(mu_);
  check_ = std::move(check);
}

void LongCall::Check() {
  std::function<absl::Status()> check;
  {
    MutexLock lock(mu_);
    if (check_ == nullptr || end_.has_value()) return;
    check = check_;
  }
  if (const absl::Status status = check(); !status.ok()) End(status);
}

void LongCall::Done() {
  Release();
  self_.reset();
}

LiveCalls::LiveCalls() : ticker_([this] { TickLoop(); }) {}

LiveCalls::~LiveCalls() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  stopped_.NotifyAll();
  ticker_.join();
}

void LiveCalls::Add(const std::shared_ptr<LongCall>& call) {
  std::optional<absl::Status> end;
  {
    MutexLock lock(mu_);
    calls_.push_back(call);
    end = end_;
  }
  if (end.has_value()) call->End(*end);
}

void LiveCalls::EndAll(const absl::Status& why) {
  {
    MutexLock lock(mu_);
    end_ = why;
  }
  for (const auto& call : Living()) call->End(why);
}

std::vector<std::shared_ptr<LongCall>> LiveCalls::Living() {
  std::vector<std::shared_ptr<LongCall>> living;
  MutexLock lock(mu_);
  size_t kept = 0;
  for (std::weak_ptr<LongCall>& call : calls_) {
    std::shared_ptr<LongCall> alive = call.lock();
    if (alive == nullptr) continue;
    living.push_back(std::move(alive));
    calls_[kept++] = call;
  }
  calls_.resize(kept);
  return living;
}

void LiveCalls::TickLoop() {
  while (true) {
    {
      MutexLock lock(mu_);
      if (!stop_) stopped_.WaitFor(mu_, kTick);
      if (stop_) return;
    }
    for (const auto& call : Living()) {
      call->Check();
      call->Tick();
    }
  }
}

}  // namespace skytrain
