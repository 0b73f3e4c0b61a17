#pragma once

#include "server/blobs/blob_store.h"
#include "server/rpc/calls.h"
#include "skytrain/v1/blob_service.grpc.pb.h"

namespace skytrain {

class BlobServiceImpl final : public v1::BlobService::CallbackService {
 public:
  BlobServiceImpl(Calls& calls, BlobStore& blobs) : calls_(calls), blobs_(blobs) {}

  grpc::ServerUnaryReactor* StatBlob(grpc::CallbackServerContext* context,
                                     const v1::StatBlobRequest* request,
                                     v1::Blob* response) override;
  grpc::ServerWriteReactor<v1::ReadBlobResponse>* ReadBlob(
      grpc::CallbackServerContext* context, const v1::ReadBlobRequest* request) override;
  grpc::ServerReadReactor<v1::WriteBlobRequest>* WriteBlob(grpc::CallbackServerContext* context,
                                                           v1::Blob* response) override;

 private:
  Calls& calls_;
  BlobStore& blobs_;
};

}  // namespace skytrain
