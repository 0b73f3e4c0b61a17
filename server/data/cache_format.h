#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/data/cache.h"

namespace skytrain::data {

// The first 4 KiB of a cache file; see README.md. Little-endian, as every machine it runs on.
struct CacheHeader {
  char magic[8];  // kCacheMagic
  uint32_t version;
  uint32_t side;
  uint64_t count;
  uint64_t pixel_bytes;
  uint64_t index_bytes;
  uint32_t channels;
  uint32_t pixel_type;  // kPixelUint8
  uint32_t index_crc;   // Masked CRC-32C of the index.
  uint32_t header_crc;  // Masked CRC-32C of everything above.
};
static_assert(sizeof(CacheHeader) == 56);

constexpr char kCacheMagic[9] = "SKYCACHE";
constexpr uint32_t kCacheVersion = 4;
constexpr uint32_t kPixelUint8 = 1;
constexpr uint64_t kCacheHeaderBytes = 4096;
constexpr uint32_t kLargestCanvas = 1 << 16;  // So that no product of sizes overflows.

uint32_t HeaderCrc(const CacheHeader& header);

// The part behind the pixels.
std::string EncodeIndex(const CacheIndex& index);
// DATA_LOSS when it is not what EncodeIndex writes.
absl::Status DecodeIndex(absl::string_view bytes, uint64_t count, CacheIndex& index);

}  // namespace skytrain::data
