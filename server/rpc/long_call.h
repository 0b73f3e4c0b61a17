#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "server/rpc/executor.h"

namespace skytrain {

class LiveCalls;

// A call that outlives one function: a stream, or a wait. The protocol, written once:
//
// 1. Whoever has news (the event hub, a finished write, the client's cancellation, the ticker, the
//    drain) calls Wake. It never blocks.
// 2. Wake runs Step on the executor, one Step at a time; news during a Step cause another one.
// 3. Step looks at the world and says what to do: nothing, write what it prepared, or finish.
// 4. While a write is in flight no Step runs; WriteDone is its news. So there is one write in
//    flight, and never a Finish beside it.
// 5. After Finish nothing more is done. gRPC calls Done when no reaction of the call runs any more;
//    the call then lets go of itself. Whoever still holds it may Wake it in vain.
//
// gRPC runs reactions also within StartWrite and Finish on the calling thread, so neither is called
// with mu_ held.
class LongCall : public std::enable_shared_from_this<LongCall> {
 public:
  virtual ~LongCall() = default;

  void Wake() ABSL_LOCKS_EXCLUDED(mu_);
  // Ends the call with `why` at the next Step.
  void End(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mu_);
  // `check` is asked at every tick whether the call may go on; its error ends the call. It must be
  // quick, and outlive LiveCalls. Call once.
  void SetCheck(std::function<absl::Status()> check) ABSL_LOCKS_EXCLUDED(mu_);
  // For the ticker.
  void Check() ABSL_LOCKS_EXCLUDED(mu_);
  // About five times a second, on the ticker's thread: calls Wake when time alone is news.
  virtual void Tick() {}

 protected:
  struct Next {
    enum class Kind { kIdle, kWrite, kFinish };
    Kind kind = Kind::kIdle;
    absl::Status status;  // Of kFinish.
  };
  static Next Idle() { return {}; }
  static Next Write() { return {Next::Kind::kWrite, absl::OkStatus()}; }
  static Next FinishWith(absl::Status status) { return {Next::Kind::kFinish, std::move(status)}; }

  LongCall(Executor& executor, LiveCalls& live) : executor_(executor), live_(live) {}

  // `call` owns itself until Done. Call once, before anything else.
  static void Begin(std::shared_ptr<LongCall> call);

  // For the reactions of the same names.
  void WriteDone(bool ok) ABSL_LOCKS_EXCLUDED(mu_);
  void Cancelled() ABSL_LOCKS_EXCLUDED(mu_);
  void Done();

  // On the executor. Not asked any more once the call was cancelled or ended.
  virtual Next Step() = 0;
  virtual void StartWriting() {}
  virtual void FinishCall(const absl::Status& status) = 0;
  // Before the call lets go of itself: what must not be released later (a subscription waits for a
  // callback, and so must not die within one).
  virtual void Release() {}

 private:
  enum class Phase { kIdle, kStepping, kWriting, kFinished };
  void RunSteps() ABSL_LOCKS_EXCLUDED(mu_);

  Executor& executor_;
  LiveCalls& live_;
  std::shared_ptr<LongCall> self_;

  Mutex mu_;
  Phase phase_ ABSL_GUARDED_BY(mu_) = Phase::kIdle;
  bool news_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);
  std::function<absl::Status()> check_ ABSL_GUARDED_BY(mu_);
};

// The long calls that are under way, and the one thread that ticks them. Thread-safe.
class LiveCalls {
 public:
  LiveCalls();
  ~LiveCalls();

  void Add(const std::shared_ptr<LongCall>& call) ABSL_LOCKS_EXCLUDED(mu_);
  // Ends every call, and those that begin later, with `why`.
  void EndAll(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mu_);
  bool Any() ABSL_LOCKS_EXCLUDED(mu_) { return !Living().empty(); }

 private:
  std::vector<std::shared_ptr<LongCall>> Living() ABSL_LOCKS_EXCLUDED(mu_);
  void TickLoop() ABSL_LOCKS_EXCLUDED(mu_);

  Mutex mu_;
  CondVar stopped_;
  std::vector<std::weak_ptr<LongCall>> calls_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread ticker_;
};

}  // namespace skytrain
