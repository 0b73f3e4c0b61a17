#include "server/rpc/upload_call.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/blobs/blob_errors.h"

namespace skytrain {
namespace {

constexpr std::chrono::seconds kLongestSilence(60);

int64_t SteadyNow() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

absl::Status UploadIdle() {
  return ErrorWithReason(absl::StatusCode::kDeadlineExceeded, "UPLOAD_IDLE",
                         absl::StrCat("nothing came for ", kLongestSilence.count(),
                                      " seconds. What arrived is kept: go on from there"));
}

}  // namespace

UploadCall* UploadCall::Start(Executor& executor, LiveCalls& live, UploadStore& uploads,
                              BlobStore::Reader sender, v1::Blob* response) {
  std::shared_ptr<UploadCall> call(
      new UploadCall(executor, live, uploads, std::move(sender), response));
  UploadCall* reactor = call.get();
  LongCall::Begin(std::move(call));
  return reactor;
}

UploadCall::UploadCall(Executor& executor, LiveCalls& live, UploadStore& uploads,
                       BlobStore::Reader sender, v1::Blob* response)
    : LongCall(executor, live),
      uploads_(uploads),
      sender_(std::move(sender)),
      response_(response),
      last_read_(SteadyNow()) {}

void UploadCall::OnReadDone(bool ok) {
  last_read_ = SteadyNow();
  read_ = ok ? Read::kArrived : Read::kEnded;
  Wake();
}

void UploadCall::Tick() {
  const bool waits = read_ == Read::kInFlight;
  if (waits && SteadyNow() - last_read_ > std::chrono::nanoseconds(kLongestSilence).count()) {
    End(UploadIdle());
  }
}

void UploadCall::ReadOn() {
  read_ = Read::kInFlight;
  StartRead(&message_);
}

LongCall::Next UploadCall::Step() {
  switch (read_) {
    case Read::kNone:
      ReadOn();
      return Idle();
    case Read::kInFlight:
      return Idle();
    case Read::kEnded:
      // The client has no more to say, or is gone.
      return FinishWith(BadChunk(
          upload_ == nullptr ? "the stream has no message"
                             : absl::StrCat("the stream ends at byte ", upload_->received(), " of ",
                                            size_, ". What arrived is kept: go on from there")));
    case Read::kArrived:
      break;
  }
  if (absl::Status status = Take(); !status.ok()) return FinishWith(std::move(status));
  if (whole_) return FinishWith(absl::OkStatus());
  ReadOn();
  return Idle();
}

absl::Status UploadCall::Take() {
  if (upload_ == nullptr) RETURN_IF_ERROR(Begin(message_));
  if (whole_) return absl::OkStatus();
  if (!message_.data().empty()) {
    RETURN_IF_ERROR(upload_->Add(message_.offset(), message_.data(), message_.crc32c()));
  }
  whole_ = upload_->published();
  return absl::OkStatus();
}

absl::Status UploadCall::Begin(const v1::WriteBlobRequest& first) {
  ASSIGN_OR_RETURN(sha256_, ParseBlobName(first.name()));
  size_ = first.size_bytes();
  ASSIGN_OR_RETURN(upload_, uploads_.Begin(sha256_, size_, sender_.owner, sender_.admin));
  whole_ = upload_ == nullptr;
  return whole_ ? absl::OkStatus() : upload_->PublishIfComplete();
}

void UploadCall::FinishCall(const absl::Status& status) {
  // Before the client hears of the end: it may begin again at once.
  upload_.reset();
  if (status.ok()) {
    if (const auto blob = uploads_.Stat(sha256_, sender_.owner); blob.ok()) *response_ = *blob;
  }
  Finish(ToGrpcStatus(status));
}

}  // namespace skytrain
