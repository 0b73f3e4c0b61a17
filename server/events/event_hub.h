#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"
#include "server/events/recent_batches.h"
#include "server/events/stream_lags.h"

namespace skytrain {

// Tells subscribers that a job has new committed events. A subscriber that is told reads the log
// from where it stands, so a slow one costs nothing; what it needs is then most often among the
// recent batches. Thread-safe; never calls out while holding mu_.
class EventHub {
 public:
  // Runs on the publishing thread: short, non-blocking. It must not destroy its own Subscription.
  // `last_seq` never goes back; `terminal` says that last_seq is the job's last event for ever.
  using Callback = std::function<void(int64_t last_seq, bool terminal)>;

  // Unsubscribes when it dies; the destructor waits for a running callback. May outlive the hub.
  class Subscription {
   public:
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    friend class EventHub;
    struct State;
    explicit Subscription(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
  };

  EventHub();
  ~EventHub();

  // Never calls back before it has returned. Only what is committed afterwards is told: subscribe
  // first, then read the log up to its end.
  std::unique_ptr<Subscription> Subscribe(absl::string_view job_uid, Callback callback);

  // After the commit.
  void Publish(absl::string_view job_uid, int64_t last_seq, bool terminal);

  // What was committed since the start.
  struct Stored {
    int64_t events = 0;
    int64_t bytes = 0;
    int64_t steps = 0;        // Of training, that the events tell of.
    int64_t spool_bytes = 0;  // That they were made of.
  };
  // Who commits says how much it was.
  void CountStored(const Stored& stored) {
    stored_events_.fetch_add(stored.events, std::memory_order_relaxed);
    stored_bytes_.fetch_add(stored.bytes, std::memory_order_relaxed);
    stored_steps_.fetch_add(stored.steps, std::memory_order_relaxed);
    stored_spool_bytes_.fetch_add(stored.spool_bytes, std::memory_order_relaxed);
  }
  Stored stored() const {
    return {stored_events_.load(), stored_bytes_.load(), stored_steps_.load(),
            stored_spool_bytes_.load()};
  }

  // Before Publish, who commits puts the batches here; EventLog reads them.
  RecentBatches& recent() { return recent_; }
  // Of those who read the log for a client; they register themselves.
  StreamLags& lags() { return lags_; }

 private:
  RecentBatches recent_;
  StreamLags lags_;
  std::atomic<int64_t> stored_events_{0};
  std::atomic<int64_t> stored_bytes_{0};
  std::atomic<int64_t> stored_steps_{0};
  std::atomic<int64_t> stored_spool_bytes_{0};
  Mutex mu_;
  absl::flat_hash_map<std::string, std::vector<std::weak_ptr<Subscription::State>>> subscribers_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
