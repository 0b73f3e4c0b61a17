#include "common/attempt/exit_record.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "common/digest/digest.h"
#include "common/file/file_system.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using internal::v1::ExitRecord;

constexpr size_t kFileSize = 64 * 1024;
constexpr size_t kHeaderSize = 8;  // Masked CRC of what follows it, length of the message.
constexpr size_t kMaxMessage = 16 * 1024;

class OpenFile {
 public:
  explicit OpenFile(const std::string& path)
      : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

std::string Encode(const ExitRecord& record) {
  const std::string message = record.SerializeAsString();
  const auto length = static_cast<uint32_t>(message.size());
  std::string bytes(kHeaderSize, '\0');
  std::memcpy(bytes.data() + 4, &length, sizeof(length));
  bytes += message;
  const uint32_t crc = MaskCrc(Crc32c(absl::string_view(bytes).substr(4)));
  std::memcpy(bytes.data(), &crc, sizeof(crc));
  return bytes;
}

}  // namespace

absl::Status PreallocateExitRecord(const std::string& path) {
  OpenFile file(path);
  if (file.fd() < 0) return PosixError(errno, "create", path);
  const int error = posix_fallocate(file.fd(), 0, kFileSize);
  if (error != 0) return PosixError(error, "reserve", path);
  if (fsync(file.fd()) != 0) return PosixError(errno, "sync", path);
  return absl::OkStatus();
}

absl::Status WriteExitRecord(const std::string& path, ExitRecord record) {
  if (record.message().size() > kMaxMessage) record.mutable_message()->resize(kMaxMessage);
  const std::string bytes = Encode(record);
  OpenFile file(path);
  if (file.fd() < 0) return PosixError(errno, "open", path);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written =
        pwrite(file.fd(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return PosixError(errno, "write", path);
    done += static_cast<size_t>(written);
  }
  if (fsync(file.fd()) != 0) return PosixError(errno, "sync", path);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ExitRecord>> ReadExitRecord(const std::string& path) {
  const auto bytes = FileSystem::Posix().ReadFile(path, 1 << 20);
  if (absl::IsNotFound(bytes.status())) return std::nullopt;
  RETURN_IF_ERROR(bytes.status());
  if (bytes->size() < kHeaderSize) return std::nullopt;
  uint32_t crc, length;
  std::memcpy(&crc, bytes->data(), sizeof(crc));
  std::memcpy(&length, bytes->data() + 4, sizeof(length));
  if (length == 0 || length > bytes->size() - kHeaderSize) return std::nullopt;
  const absl::string_view checked = absl::string_view(*bytes).substr(4, 4 + size_t{length});
  ExitRecord record;
  if (crc != MaskCrc(Crc32c(checked)) ||
      !record.ParseFromArray(bytes->data() + kHeaderSize, static_cast<int>(length))) {
    return std::nullopt;
  }
  return record;
}

}  // namespace skytrain
