#include "client/api/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr int64_t kChunkBytes = 512 << 10;

absl::Status Unreadable(const std::string& path, absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "UNREADABLE_FILE",
                         absl::StrCat("cannot read ", path, ": ", why));
}

// The file, read by offset.
class LocalFile {
 public:
  static absl::StatusOr<LocalFile> Open(const std::string& path) {
    LocalFile file(path, open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info;
    if (file.fd_ < 0 || fstat(file.fd_, &info) != 0) return Unreadable(path, strerror(errno));
    if (S_ISDIR(info.st_mode)) {
      return Unreadable(path,
                        absl::StrCat("it is a folder. Pack it: tar -cf data.tar -C ", path, " ."));
    }
    if (!S_ISREG(info.st_mode)) return Unreadable(path, "it is not a file");
    file.size_ = info.st_size;
    file.written_ = absl::TimeFromTimespec(info.st_mtim);
    return file;
  }
  LocalFile(LocalFile&& other) noexcept
      : path_(std::move(other.path_)),
        fd_(std::exchange(other.fd_, -1)),
        size_(other.size_),
        written_(other.written_) {}
  ~LocalFile() {
    if (fd_ >= 0) close(fd_);
  }

  int64_t size() const { return size_; }

  // Why what was read is not what the file was at first; OK: nobody wrote to it.
  absl::Status CheckUnchanged() const {
    struct stat info;
    if (fstat(fd_, &info) == 0 && info.st_size == size_ &&
        absl::TimeFromTimespec(info.st_mtim) == written_) {
      return absl::OkStatus();
    }
    return Unreadable(path_, "it was changed while it was sent. Send it again once it is at rest");
  }

  // Bytes from `offset` on, at most one chunk.
  absl::Status Read(int64_t offset, std::string* data) const {
    data->resize(static_cast<size_t>(std::min(kChunkBytes, size_ - offset)));
    size_t got = 0;
    while (got < data->size()) {
      const ssize_t length = pread(fd_, data->data() + got, data->size() - got, offset + got);
      if (length < 0 && errno == EINTR) continue;
      if (length < 0) return Unreadable(path_, strerror(errno));
      if (length == 0) return Unreadable(path_, "it became shorter while it was read");
      got += static_cast<size_t>(length);
    }
    return absl::OkStatus();
  }

 private:
  LocalFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
  int64_t size_ = 0;
  absl::Time written_;
};

absl::StatusOr<std::string> Hash(const LocalFile& file, const UploadOptions& options,
                                 const Interrupt& interrupt) {
  Sha256 sha;
  std::string data;
  for (int64_t at = 0; at < file.size(); at += static_cast<int64_t>(data.size())) {
    if (interrupt.raised()) return absl::CancelledError("interrupted");
    RETURN_IF_ERROR(file.Read(at, &data));
    sha.Update(data);
    if (options.progress) options.progress(true, at, file.size());
  }
  return sha.HexDigest();
}

// Where the server wants to go on.
absl::StatusOr<int64_t> CommittedBytes(Client& client, const std::string& name, int64_t size) {
  const absl::StatusOr<v1::Blob> blob = client.StatBlob(name);
  if (absl::IsNotFound(blob.status())) return 0;
  if (!blob.ok()) return blob.status();
  return std::min(blob->committed_bytes(), size);
}

// One stream from `at` on; `at` is how far it came.
absl::StatusOr<v1::Blob> SendFrom(Client& client, const UploadOptions& options,
                                  const LocalFile& file, const std::string& name, int64_t& at) {
  bool first = true;
  return client.SendBlob([&](v1::WriteBlobRequest* message) -> absl::StatusOr<bool> {
    if (!first && at >= file.size()) return false;
    message->Clear();
    if (first) {
      message->set_name(name);
      message->set_size_bytes(file.size());
    }
    first = false;
    RETURN_IF_ERROR(file.Read(at, message->mutable_data()));
    message->set_offset(at);
    message->set_crc32c(Crc32c(message->data()));
    at += static_cast<int64_t>(message->data().size());
    if (options.progress) options.progress(false, at, file.size());
    return true;
  });
}

// A stream of ours that broke may not have been noticed over there yet (UPLOAD_BUSY); a chunk that
// was damaged on the way can be sent again.
bool MayGoOn(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return MayPass(status) || reason == "UPLOAD_BUSY" || reason == "UPLOAD_IDLE" ||
         reason == "CHUNK_CORRUPT";
}

}  // namespace

absl::StatusOr<v1::Blob> Upload(Client& client, UploadOptions options) {
  ASSIGN_OR_RETURN(const LocalFile file, LocalFile::Open(options.path));
  ASSIGN_OR_RETURN(const std::string sha256, Hash(file, options, client.interrupt()));
  const std::string name = BlobName(sha256);
  int failures = 0;
  int64_t best = -1;
  bool all = false;
  while (true) {
    ASSIGN_OR_RETURN(int64_t at, CommittedBytes(client, name, file.size()));
    const bool is_there = at == file.size() && at > 0;
    if (all) at = 0;
    if (at > best && best >= 0) {
      failures = 0;
      options.backoff.Reset();
    }
    if (best < 0 && at > 0 && at < file.size() && options.goes_on) options.goes_on(at);
    best = std::max(best, at);
    const absl::StatusOr<v1::Blob> blob = SendFrom(client, options, file, name, at);
    if (client.interrupt().raised()) return absl::CancelledError("interrupted");
    if (ReasonOf(blob.status()) == "DIGEST_MISMATCH") RETURN_IF_ERROR(file.CheckUnchanged());
    // It was there whole, but is damaged, which the server sees when it is sent again.
    if (is_there && !all && ReasonOf(blob.status()) == "BAD_CHUNK") {
      all = true;
      continue;
    }
    if (blob.ok() || !MayGoOn(blob.status()) || ++failures == kTries) return blob;
    if (!client.interrupt().Sleep(options.backoff.Next())) {
      return absl::CancelledError("interrupted");
    }
  }
}

}  // namespace skytrain::client
