#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "grpcpp/support/slice.h"
#include "server/events/event_filter.h"
#include "server/events/event_hub.h"
#include "server/events/event_log.h"
#include "server/events/filtered_batches.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/long_call.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// How many watches a caller may have open at once. Thread-safe.
class WatchSlots {
 public:
  // Given back when it dies.
  class Slot {
   public:
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

   private:
    friend class WatchSlots;
    Slot(WatchSlots& slots, std::string owner) : slots_(slots), owner_(std::move(owner)) {}
    WatchSlots& slots_;
    const std::string owner_;
  };

  explicit WatchSlots(int of_each_owner) : of_each_owner_(of_each_owner) {}
  // RESOURCE_EXHAUSTED (TOO_MANY_STREAMS).
  absl::StatusOr<std::unique_ptr<Slot>> Take(const std::string& owner) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const int of_each_owner_;
  Mutex mu_;
  absl::flat_hash_map<std::string, int> taken_ ABSL_GUARDED_BY(mu_);
};

// One WatchEvents call. Reads the log from where the subscriber stands, a few batches at a time,
// and sends the stored bytes as they are: a batch is encoded once, when it is committed, and every
// subscriber sends from the same memory. Filters, and an after_seq inside a batch, decode; the
// result is shared by those with the same filter.
//
// A slow subscriber holds what one message refers to and no database lock. A quiet stream sends its
// position within 5 s.
class WatchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public LongCall {
 public:
  struct Sources {
    JobManager& jobs;
    EventLog& log;
    EventHub& hub;
    FilteredBatches& filtered;
    absl::Duration quiet;  // After so long without a message the position is sent.
  };
  // The reactor for gRPC; it owns itself.
  static WatchStream* Start(Executor& executor, LiveCalls& live, const Sources& sources,
                            const Caller& caller, std::unique_ptr<WatchSlots::Slot> slot,
                            const v1::WatchEventsRequest& request);

  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Done(); }
  void Tick() override;

 private:
  WatchStream(Executor& executor, LiveCalls& live, const Sources& sources, Caller caller,
              std::unique_ptr<WatchSlots::Slot> slot, const v1::WatchEventsRequest& request);

  Next Step() override;
  void StartWriting() override;
  void FinishCall(const absl::Status& status) override;
  void Release() override {
    subscription_.reset();
    lag_.reset();
    slot_.reset();  // A Step that ends at this moment may hold the stream for longer than the
                    // service lives.
  }

  // Finds the job, subscribes, and learns where it begins and ends. Once.
  absl::Status Open();
  // Adds what `batch` has behind position_ to the next message. False: nothing was left of it.
  absl::StatusOr<bool> Add(std::shared_ptr<const EventBatch> batch);
  // Writes what was added, or else says where the stream stands at the log's present end.
  Next WriteOr(Next otherwise);
  Next AtEnd(int64_t terminal_seq);
  Next SendPosition();
  Next SendTruncated();
  bool IsQuiet() const;

  const Sources sources_;
  const Caller caller_;
  std::unique_ptr<WatchSlots::Slot> slot_;
  const v1::WatchEventsRequest request_;

  // Set by the hub's callback.
  std::atomic<int64_t> last_seq_{0};      // The newest event that was told.
  std::atomic<int64_t> terminal_seq_{0};  // 0: the job goes on.
  // Of the last write, CLOCK_MONOTONIC in milliseconds.
  std::atomic<int64_t> last_write_ms_;

  // Used by Step and StartWriting only, which never overlap.
  EventFilter filter_;
  StrideState stride_state_;
  std::string job_uid_;
  std::unique_ptr<StreamLags::Stream> lag_;
  std::unique_ptr<EventHub::Subscription> subscription_;
  int64_t position_;
  int64_t end_at_start_ = 0;
  int64_t first_available_ = 1;
  std::vector<grpc::Slice> slices_;  // Of the next message.
  size_t message_bytes_ = 0;
  grpc::ByteBuffer buffer_;
};

}  // namespace skytrain
