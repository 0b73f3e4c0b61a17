#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/events/event_hub.h"
#include "server/events/event_log.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/long_call.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// One WatchEvents call. Reads the log from where the subscriber stands, a batch at a time, and
// sends the stored bytes as they are: a batch is encoded once, when it is committed, and every
// subscriber sends from the same memory. Only a kinds filter, or an after_seq inside a batch,
// decodes.
//
// A slow subscriber holds one batch and no database lock. A quiet stream sends its position within
// 5 s.
class WatchStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public LongCall {
 public:
  struct Sources {
    JobManager& jobs;
    EventLog& log;
    EventHub& hub;
  };
  // The reactor for gRPC; it owns itself.
  static WatchStream* Start(Executor& executor, LiveCalls& live, const Sources& sources,
                            const Caller& caller, const v1::WatchEventsRequest& request);

  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Done(); }
  void Tick() override;

 private:
  WatchStream(Executor& executor, LiveCalls& live, const Sources& sources, Caller caller,
              const v1::WatchEventsRequest& request);

  Next Step() override;
  void StartWriting() override;
  void FinishCall(const absl::Status& status) override;
  void Release() override { subscription_.reset(); }

  // Finds the job, subscribes, and learns where it ends. Once.
  absl::Status Open();
  // Next write, or where the stream stands at the log's present end.
  Next Send(std::shared_ptr<const EventBatch> batch);
  Next AtEnd(int64_t terminal_seq);
  Next SendPosition();

  const Sources sources_;
  const Caller caller_;
  const v1::WatchEventsRequest request_;
  const std::vector<v1::EventKind> kinds_;

  // Set by the hub's callback.
  std::atomic<int64_t> terminal_seq_{0};  // 0: the job goes on.
  // Of the last write, CLOCK_MONOTONIC in milliseconds.
  std::atomic<int64_t> last_write_ms_;

  // Used by Step and StartWriting only, which never overlap.
  std::string job_uid_;
  std::unique_ptr<EventHub::Subscription> subscription_;
  int64_t position_;
  int64_t end_at_start_ = 0;
  grpc::ByteBuffer buffer_;
};

}  // namespace skytrain
