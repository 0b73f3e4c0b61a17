#include "server/blobs/blob_reader.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/blobs/blob_errors.h"

namespace skytrain {
namespace {

// Between 256 KiB and 1 MiB a stream is fastest; a message stays far below gRPC's 4 MiB.
constexpr int64_t kChunkBytes = 512 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<BlobReader>> BlobReader::Open(LocatedBlob located, int64_t offset,
                                                             VerifiedFiles& verified) {
  const v1::Blob& blob = located.blob;
  if (offset < 0 || offset > blob.size_bytes()) {
    return ErrorWithReason(
        absl::StatusCode::kOutOfRange, "OFFSET_OUT_OF_RANGE",
        absl::StrCat(blob.name(), " has ", blob.size_bytes(), " bytes, asked for byte ", offset));
  }
  const auto corrupt = [&](absl::string_view what) {
    return BlobCorrupt(blob.name(), what, located.remedy);
  };
  const absl::StatusOr<int> opened = located.fs->Open(located.path, FileSystem::Access::kRead);
  if (!opened.ok()) return corrupt(absl::StrCat(located.path, " cannot be opened"));
  const int fd = *opened;
  struct stat info;
  absl::Status status = fstat(fd, &info) == 0
                            ? absl::OkStatus()
                            : absl::ErrnoToStatus(errno, absl::StrCat("fstat ", located.path));
  if (status.ok() && info.st_size != blob.size_bytes()) {
    status = corrupt(
        absl::StrCat(located.path, " has ", info.st_size, " bytes instead of ", blob.size_bytes()));
  }
  if (status.ok() && offset > 0) {
    status = verified.CheckOpen(fd, located.path, blob.size_bytes(), blob.sha256());
    if (absl::IsDataLoss(status)) status = corrupt(status.message());
  }
  if (!status.ok()) {
    close(fd);
    return status;
  }
  return std::unique_ptr<BlobReader>(
      new BlobReader(fd, std::move(located), offset, info, verified));
}

BlobReader::BlobReader(int fd, LocatedBlob located, int64_t offset, const struct stat& info,
                       VerifiedFiles& verified)
    : fd_(fd),
      located_(std::move(located)),
      info_(info),
      verified_(verified),
      offset_(offset),
      digest_(offset == 0 ? std::make_unique<Sha256>() : nullptr) {}

BlobReader::~BlobReader() { close(fd_); }

absl::Status BlobReader::Corrupt(absl::string_view what) const {
  verified_.Forget(located_.path);
  return BlobCorrupt(located_.blob.name(), what, located_.remedy);
}

absl::StatusOr<bool> BlobReader::Next(v1::ReadBlobResponse* chunk) {
  const int64_t size = located_.blob.size_bytes();
  if (offset_ >= size) return false;
  std::string& data = *chunk->mutable_data();
  data.resize(std::min(kChunkBytes, size - offset_));
  size_t got = 0;
  while (got < data.size()) {
    const ssize_t length = pread(fd_, data.data() + got, data.size() - got, offset_ + got);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno != EIO) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", located_.path));
    }
    if (length < 0) return Corrupt(absl::StrCat("the disk cannot read ", located_.path));
    if (length == 0) {
      return Corrupt(absl::StrCat(located_.path, " ends at byte ", offset_ + got));
    }
    got += length;
  }
  if (digest_ != nullptr) digest_->Update(data);
  chunk->set_offset(offset_);
  chunk->set_crc32c(Crc32c(data));
  offset_ += got;
  if (offset_ == size) RETURN_IF_ERROR(CheckDigest());
  return true;
}

absl::Status BlobReader::CheckDigest() {
  if (digest_ == nullptr) return absl::OkStatus();
  const std::string found = digest_->HexDigest();
  digest_.reset();
  if (found != located_.blob.sha256()) {
    return Corrupt(absl::StrCat("the SHA-256 of ", located_.path, " is ", found, " instead of ",
                                located_.blob.sha256()));
  }
  verified_.Add(located_.path, info_, located_.blob.sha256());
  return absl::OkStatus();
}

}  // namespace skytrain
