#include "server/blobs/chunk_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/blobs/blob_errors.h"

namespace skytrain {
namespace {

// A power loss costs this much of an upload at most, and the last sync has no more left to write.
constexpr int64_t kSyncBytes = 64 << 20;

absl::Status ForClient(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? BlobStoreFull(status.message()) : status;
}

}  // namespace

ChunkWriter::ChunkWriter(std::unique_ptr<WritableFile> file, std::unique_ptr<Sha256> digest,
                         int64_t size)
    : file_(std::move(file)),
      digest_(std::move(digest)),
      size_(size),
      received_(static_cast<int64_t>(file_->size())),
      synced_(received_) {}

absl::Status ChunkWriter::Add(int64_t offset, absl::string_view data, uint32_t crc32c) {
  const auto length = static_cast<int64_t>(data.size());
  if (data.size() > kLongestChunk) {
    return BadChunk(
        absl::StrCat("a chunk has ", length, " bytes; at most ", kLongestChunk, " are taken"));
  }
  const bool follows = next_ < 0 ? offset >= 0 && offset <= received_ : offset == next_;
  if (!follows) {
    return BadChunk(
        absl::StrCat("a chunk begins at byte ", offset, "; expected ",
                     next_ < 0 ? absl::StrCat("at most ", received_) : absl::StrCat(next_)));
  }
  if (length > size_ - offset) {
    return BadChunk(absl::StrCat("a chunk ends at byte ", offset + length, " of ", size_));
  }
  if (Crc32c(data) != crc32c) return ChunkCorrupt(offset);
  next_ = offset + length;
  if (next_ <= received_) return absl::OkStatus();
  data.remove_prefix(static_cast<size_t>(received_ - offset));
  RETURN_IF_ERROR(ForClient(file_->Append(data)));
  digest_->Update(data);
  received_ = next_;
  return received_ - synced_ >= kSyncBytes ? Sync() : absl::OkStatus();
}

absl::Status ChunkWriter::Sync() {
  if (synced_ == received_) return absl::OkStatus();
  RETURN_IF_ERROR(ForClient(file_->Sync()));
  synced_ = received_;
  return absl::OkStatus();
}

absl::StatusOr<std::string> ChunkWriter::Finish() {
  // Also what an earlier stream left: a daemon that was killed had not synced it.
  RETURN_IF_ERROR(ForClient(file_->Sync()));
  RETURN_IF_ERROR(ForClient(file_->Close()));
  return digest_->HexDigest();
}

}  // namespace skytrain
