#include "server/rpc/long_call.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace skytrain {
namespace {

// Stands for gRPC: counts what is in flight and reports when the call is over.
class ScriptedCall final : public LongCall {
 public:
  using Script = std::function<int(ScriptedCall&)>;  // 0 idle, 1 write, 2 finish
  ScriptedCall(Executor& executor, LiveCalls& live, Script script)
      : LongCall(executor, live), script_(std::move(script)) {}

  static std::shared_ptr<ScriptedCall> Start(Executor& executor, LiveCalls& live, Script script) {
    auto call = std::make_shared<ScriptedCall>(executor, live, std::move(script));
    Begin(call);
    return call;
  }

  void CompleteWrite(bool ok = true) { WriteDone(ok); }
  void CancelByClient() { Cancelled(); }
  void FinishDone() { Done(); }

  absl::Status WaitForFinish() {
    MutexLock lock(mu_);
    while (!finished_) changed_.Wait(mu_);
    return status_;
  }
  void WaitForWrites(int count) {
    MutexLock lock(mu_);
    while (writes_ < count) changed_.Wait(mu_);
  }

  std::atomic<int> steps{0};
  std::atomic<int> steps_at_once{0};

 private:
  Next Step() override {
    EXPECT_EQ(++steps_at_once, 1) << "two steps at once";
    ++steps;
    const int next = script_(*this);
    --steps_at_once;
    return next == 0 ? Idle() : next == 1 ? Write() : FinishWith(absl::OkStatus());
  }
  void StartWriting() override {
    MutexLock lock(mu_);
    EXPECT_FALSE(finished_);
    ++writes_;
    changed_.NotifyAll();
  }
  void FinishCall(const absl::Status& status) override {
    MutexLock lock(mu_);
    EXPECT_FALSE(finished_) << "finished twice";
    finished_ = true;
    status_ = status;
    changed_.NotifyAll();
  }

  const Script script_;
  Mutex mu_;
  CondVar changed_;
  int writes_ ABSL_GUARDED_BY(mu_) = 0;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

class LongCallTest : public ::testing::Test {
 protected:
  LiveCalls live_;
  Executor executor_{3, 100};
};

TEST_F(LongCallTest, NewsDuringAStepCauseAnother) {
  auto call = ScriptedCall::Start(executor_, live_, [](ScriptedCall& self) {
    if (self.steps == 1) self.Wake();
    return self.steps == 2 ? 2 : 0;
  });
  EXPECT_TRUE(call->WaitForFinish().ok());
  EXPECT_EQ(call->steps, 2);
  call->FinishDone();
}

TEST_F(LongCallTest, ManyWakersNeverRunTwoStepsAtOnceAndNoNewsIsLost) {
  std::atomic<int> produced{0};
  std::atomic<int> seen{0};
  auto call = ScriptedCall::Start(executor_, live_, [&](ScriptedCall&) {
    seen = produced.load();
    return seen == 3000 ? 2 : 0;
  });
  std::vector<std::thread> wakers;
  for (int i = 0; i < 3; ++i) {
    wakers.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        ++produced;
        call->Wake();
      }
    });
  }
  for (std::thread& waker : wakers) waker.join();
  EXPECT_TRUE(call->WaitForFinish().ok());
  call->FinishDone();
}

TEST_F(LongCallTest, CancelledDuringAWriteFinishesAfterIt) {
  auto call = ScriptedCall::Start(executor_, live_, [](ScriptedCall&) { return 1; });
  call->WaitForWrites(1);
  call->CancelByClient();
  EXPECT_EQ(call->steps, 1);  // StartWriting would complain about a finish beside the write.
  call->CompleteWrite(false);
  EXPECT_EQ(call->WaitForFinish().code(), absl::StatusCode::kCancelled);
  call->FinishDone();
}

TEST_F(LongCallTest, DrainEndsIdleCallsAndThoseThatBeginLater) {
  auto idle = ScriptedCall::Start(executor_, live_, [](ScriptedCall&) { return 0; });
  live_.EndAll(absl::UnavailableError("draining"));
  EXPECT_EQ(idle->WaitForFinish().message(), "draining");
  auto late = ScriptedCall::Start(executor_, live_, [](ScriptedCall&) { return 0; });
  EXPECT_EQ(late->WaitForFinish().message(), "draining");
  idle->FinishDone();
  late->FinishDone();
}

TEST_F(LongCallTest, IsGoneAfterDoneAndMayBeWokenInVainBefore) {
  auto call = ScriptedCall::Start(executor_, live_, [](ScriptedCall&) { return 2; });
  EXPECT_TRUE(call->WaitForFinish().ok());
  call->Wake();
  call->End(absl::AbortedError("too late"));
  std::weak_ptr<ScriptedCall> weak = call;
  call->FinishDone();
  call.reset();
  while (!weak.expired()) std::this_thread::yield();  // A step may still hold it for a moment.
}

}  // namespace
}  // namespace skytrain
