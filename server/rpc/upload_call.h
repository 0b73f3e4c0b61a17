#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"
#include "server/blobs/blob_store.h"
#include "server/blobs/upload_store.h"
#include "server/rpc/long_call.h"
#include "skytrain/v1/blob_service.pb.h"

namespace skytrain {

// One WriteBlob call. At most one read is in flight, and the next one starts when what the last one
// brought is on its way to the disk: so a client is never faster than the disk, and a stream costs
// one chunk of memory. A client that says nothing for a minute is cut off, since nobody else can
// send its blob meanwhile.
class UploadCall final : public grpc::ServerReadReactor<v1::WriteBlobRequest>, public LongCall {
 public:
  // Owns itself. `response` is gRPC's.
  static UploadCall* Start(Executor& executor, LiveCalls& live, UploadStore& uploads,
                           BlobStore::Reader sender, v1::Blob* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Done(); }
  void Tick() override;

 private:
  enum class Read { kNone, kInFlight, kArrived, kEnded };

  UploadCall(Executor& executor, LiveCalls& live, UploadStore& uploads, BlobStore::Reader sender,
             v1::Blob* response);
  Next Step() override;
  void FinishCall(const absl::Status& status) override;
  // Of the message that arrived.
  absl::Status Take();
  absl::Status Begin(const v1::WriteBlobRequest& first);
  void ReadOn();

  UploadStore& uploads_;
  const BlobStore::Reader sender_;
  v1::Blob* const response_;
  v1::WriteBlobRequest message_;
  std::atomic<Read> read_{Read::kNone};
  std::atomic<int64_t> last_read_;  // Nanoseconds of the steady clock.
  std::string sha256_;              // Of the first message.
  int64_t size_ = 0;
  std::unique_ptr<Upload> upload_;
  bool whole_ = false;
};

}  // namespace skytrain
