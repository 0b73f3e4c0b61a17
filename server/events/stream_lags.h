#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "common/mutex.h"

namespace skytrain {

// How far the subscribers that live now are behind the log. Thread-safe.
class StreamLags {
 public:
  // Of one subscriber; unregisters when it dies. Must not outlive the StreamLags.
  class Stream {
   public:
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // Events up to `seq` are committed. Never goes back.
    void Committed(int64_t seq);
    // Events up to `seq` have been sent, or passed over by the subscriber's filter.
    void Sent(int64_t seq) { sent_.store(seq, std::memory_order_relaxed); }

   private:
    friend class StreamLags;
    explicit Stream(StreamLags& lags) : lags_(lags) {}
    StreamLags& lags_;
    std::atomic<int64_t> committed_{0};
    std::atomic<int64_t> sent_{0};
  };

  std::unique_ptr<Stream> Add() ABSL_LOCKS_EXCLUDED(mu_);
  // Events that each has still to get, ascending.
  std::vector<int64_t> Events() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Mutex mu_;
  absl::flat_hash_set<const Stream*> streams_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
