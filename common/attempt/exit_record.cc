#include "common/attempt/exit_record.h"

#include <cstdint>
#include <cstring>

#include "common/digest/digest.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using internal::v1::ExitRecord;

constexpr size_t kFileSize = 64 * 1024;
constexpr size_t kHeaderSize = 8;  // Masked CRC of what follows it, length of the message.
constexpr size_t kMaxMessage = 16 * 1024;

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

absl::Status PreallocateExitRecord(FileSystem& fs, const std::string& path) {
  return fs.Reserve(path, kFileSize);
}

absl::Status WriteExitRecord(FileSystem& fs, const std::string& path, ExitRecord record) {
  if (record.message().size() > kMaxMessage) record.mutable_message()->resize(kMaxMessage);
  return fs.Overwrite(path, Encode(record));
}

absl::StatusOr<std::optional<ExitRecord>> ReadExitRecord(FileSystem& fs, const std::string& path) {
  const auto bytes = fs.ReadFile(path, 1 << 20);
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
