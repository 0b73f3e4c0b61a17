#include "client/api/download.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

absl::Status FileError(absl::string_view what, const std::string& path) {
  const int error = errno;
  return absl::ErrnoToStatus(error, absl::StrCat("cannot ", what, " ", path));
}

absl::Status Corrupt(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "BLOB_CORRUPT", message);
}

// PATH.part, with the digest of what is in it.
class PartFile {
 public:
  static absl::StatusOr<PartFile> Open(const std::string& path, int64_t at_most) {
    PartFile file(path);
    file.fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file.fd_ < 0) return FileError("write", path);
    struct stat info;
    if (fstat(file.fd_, &info) != 0) return FileError("read", path);
    if (info.st_size > at_most && ftruncate(file.fd_, 0) != 0) return FileError("write", path);
    std::vector<char> buffer(1 << 20);
    ssize_t got;
    while ((got = read(file.fd_, buffer.data(), buffer.size())) > 0) {
      file.sha_->Update(absl::string_view(buffer.data(), got));
      file.size_ += got;
    }
    if (got < 0) return FileError("read", path);
    return file;
  }

  PartFile(PartFile&& other) noexcept
      : path_(std::move(other.path_)),
        fd_(std::exchange(other.fd_, -1)),
        size_(other.size_),
        sha_(std::move(other.sha_)) {}
  ~PartFile() {
    if (fd_ >= 0) close(fd_);
  }

  int64_t size() const { return size_; }

  absl::Status Append(absl::string_view data) {
    sha_->Update(data);
    size_ += data.size();
    while (!data.empty()) {
      const ssize_t written = write(fd_, data.data(), data.size());
      if (written < 0 && errno != EINTR) return FileError("write", path_);
      if (written > 0) data.remove_prefix(written);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() { return fsync(fd_) == 0 ? absl::OkStatus() : FileError("write", path_); }
  std::string HexDigest() { return sha_->HexDigest(); }

 private:
  explicit PartFile(std::string path) : path_(std::move(path)), sha_(std::make_unique<Sha256>()) {}

  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
  std::unique_ptr<Sha256> sha_;
};

// One stream from the part's end on.
absl::Status ReadOn(Client& client, const DownloadOptions& options, PartFile& part) {
  v1::ReadBlobRequest request;
  request.set_name(options.blob);
  request.set_offset(part.size());
  return client.StreamBlob(request, [&](const v1::ReadBlobResponse& chunk) -> absl::Status {
    // Not what was sent: the link's fault, so ask again from the last good byte.
    if (Crc32c(chunk.data()) != chunk.crc32c() || chunk.offset() != part.size()) {
      return absl::UnavailableError("a damaged chunk");
    }
    if (part.size() + static_cast<int64_t>(chunk.data().size()) > options.size) {
      return Corrupt(absl::StrCat(options.blob, " is longer than the ", options.size,
                                  " bytes that the server named"));
    }
    RETURN_IF_ERROR(part.Append(chunk.data()));
    if (options.progress) options.progress(part.size());
    return absl::OkStatus();
  });
}

absl::Status ReadAll(Client& client, DownloadOptions& options, PartFile& part) {
  int failures = 0;
  while (part.size() < options.size) {
    const int64_t before = part.size();
    absl::Status status = ReadOn(client, options, part);
    if (client.interrupt().raised()) return absl::CancelledError("interrupted");
    if (part.size() >= options.size) break;
    if (status.ok()) status = absl::UnavailableError("the stream ended early");
    if (!absl::IsUnavailable(status)) return status;
    if (part.size() > before) {
      failures = 0;
      options.backoff.Reset();
    }
    if (++failures == kTries) return status;
    if (!client.interrupt().Sleep(options.backoff.Next())) {
      return absl::CancelledError("interrupted");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Download(Client& client, DownloadOptions options) {
  const std::string part_path = options.path + ".part";
  bool resumed = false;
  do {
    ASSIGN_OR_RETURN(PartFile part, PartFile::Open(part_path, options.size));
    resumed = part.size() > 0;
    const absl::Status read = ReadAll(client, options, part);
    if (absl::IsDataLoss(read)) unlink(part_path.c_str());
    RETURN_IF_ERROR(read);
    RETURN_IF_ERROR(part.Sync());
    if (part.HexDigest() == options.sha256) {
      if (rename(part_path.c_str(), options.path.c_str()) != 0) {
        return FileError("rename", part_path);
      }
      return absl::OkStatus();
    }
    unlink(part_path.c_str());
    // The first bytes may be another version's, left by an earlier try: once from the beginning.
  } while (resumed);
  return Corrupt(absl::StrCat(options.blob, " arrived with another SHA-256 than the server named (",
                              options.sha256, ")"));
}

}  // namespace skytrain::client
