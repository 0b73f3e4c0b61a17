#include "server/rpc/blob_service.h"

#include <memory>
#include <utility>

#include "common/grpc/status.h"
#include "common/status_macros.h"
#include "server/rpc/finished_stream.h"
#include "server/rpc/long_call.h"
#include "server/rpc/upload_call.h"

namespace skytrain {
namespace {

// One ReadBlob call: reads a chunk on the executor, sends it, reads the next.
class BlobStream final : public grpc::ServerWriteReactor<v1::ReadBlobResponse>, public LongCall {
 public:
  static BlobStream* Start(Executor& executor, LiveCalls& live, BlobStore& blobs,
                           BlobStore::Reader who, const v1::ReadBlobRequest& request) {
    std::shared_ptr<BlobStream> stream(
        new BlobStream(executor, live, blobs, std::move(who), request));
    BlobStream* reactor = stream.get();
    Begin(std::move(stream));
    return reactor;
  }

  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { Cancelled(); }
  void OnDone() override { Done(); }

 private:
  BlobStream(Executor& executor, LiveCalls& live, BlobStore& blobs, BlobStore::Reader who,
             const v1::ReadBlobRequest& request)
      : LongCall(executor, live), blobs_(blobs), who_(std::move(who)), request_(request) {}

  Next Step() override {
    if (reader_ == nullptr) {
      auto reader = blobs_.Open(request_.name(), request_.offset(), who_);
      if (!reader.ok()) return FinishWith(reader.status());
      reader_ = *std::move(reader);
    }
    chunk_.Clear();
    const absl::StatusOr<bool> more = reader_->Next(&chunk_);
    if (!more.ok()) return FinishWith(more.status());
    return *more ? Write() : FinishWith(absl::OkStatus());
  }
  void StartWriting() override { StartWrite(&chunk_); }
  void FinishCall(const absl::Status& status) override { Finish(ToGrpcStatus(status)); }

  BlobStore& blobs_;
  const BlobStore::Reader who_;
  const v1::ReadBlobRequest request_;
  std::unique_ptr<BlobReader> reader_;
  v1::ReadBlobResponse chunk_;
};

// An upload that ends at once with an error; owns itself.
class FinishedUpload final : public grpc::ServerReadReactor<v1::WriteBlobRequest> {
 public:
  static FinishedUpload* Make(const absl::Status& status) {
    auto upload = std::make_unique<FinishedUpload>();
    upload->Finish(ToGrpcStatus(status));
    return upload.release();
  }
  void OnDone() override { std::unique_ptr<FinishedUpload>{this}; }
};

BlobStore::Reader ReaderOf(const Caller& caller) { return {caller.owner, caller.admin}; }

}  // namespace

grpc::ServerUnaryReactor* BlobServiceImpl::StatBlob(grpc::CallbackServerContext* context,
                                                    const v1::StatBlobRequest* request,
                                                    v1::Blob* response) {
  return calls_.Run(context, [=, this](const Caller& caller) -> absl::Status {
    ASSIGN_OR_RETURN(*response, blobs_.Stat(request->name(), ReaderOf(caller)));
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::ReadBlobResponse>* BlobServiceImpl::ReadBlob(
    grpc::CallbackServerContext* context, const v1::ReadBlobRequest* request) {
  const absl::StatusOr<Caller> caller = calls_.Admit(*context);
  if (!caller.ok()) return FinishedStream<v1::ReadBlobResponse>::Make(caller.status());
  // On the slow executor: a read that begins inside a file hashes all of it first.
  BlobStream* stream =
      BlobStream::Start(calls_.slow_executor(), calls_.live(), blobs_, ReaderOf(*caller), *request);
  calls_.Guard(*context, *stream);
  return stream;
}

grpc::ServerReadReactor<v1::WriteBlobRequest>* BlobServiceImpl::WriteBlob(
    grpc::CallbackServerContext* context, v1::Blob* response) {
  const absl::StatusOr<Caller> caller = calls_.Admit(*context);
  if (!caller.ok()) return FinishedUpload::Make(caller.status());
  UploadCall* call = UploadCall::Start(calls_.slow_executor(), calls_.live(), blobs_.uploads(),
                                       ReaderOf(*caller), response);
  calls_.Guard(*context, *call);
  return call;
}

}  // namespace skytrain
