#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"
#include "common/digest/digest.h"

// The bytes of a spool file; README.md says the same in words. Little-endian throughout.
namespace skytrain::spool {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

constexpr size_t kBlockSize = 32 * 1024;
constexpr size_t kMaxPayload = 4 * 1024 * 1024;

// File header: magic, version, salt, masked CRC of the 16 bytes before it.
constexpr char kMagic[8] = {'S', 'K', 'Y', 'S', 'P', 'O', 'O', 'L'};
constexpr uint32_t kVersion = 1;
constexpr size_t kFileHeaderSize = 20;

// Frame header: masked CRC, length of type + payload, type.
constexpr size_t kFrameHeaderSize = 9;
constexpr size_t kMaxFrame = kFrameHeaderSize + kMaxPayload;

inline uint32_t LoadU32(const char* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

inline void StoreU32(uint32_t value, char* bytes) { std::memcpy(bytes, &value, sizeof(value)); }

// Bytes from `offset` to the end of its block: 1 to kBlockSize.
inline size_t RoomInBlock(uint64_t offset) { return kBlockSize - offset % kBlockSize; }

// Of length, type and payload, which are the bytes from the fifth of the frame on. The CRC starts
// at the salt, so the bytes of another spool file inside a payload are not frames of this one.
inline uint32_t FrameCrc(uint32_t salt, absl::string_view frame) {
  return MaskCrc(Crc32c(frame.substr(4), salt));
}

}  // namespace skytrain::spool
