#include <array>
#include <cstring>

#include "common/digest/digest.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace skytrain {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli, bits reversed.

// kTables[k][b]: the CRC of byte b followed by k zero bytes, so that eight bytes go at once.
constexpr std::array<std::array<uint32_t, 256>, 8> MakeTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr auto kTables = MakeTables();

uint32_t ExtendPortable(uint32_t state, const unsigned char* data, size_t size) {
  for (; size >= 8; data += 8, size -= 8) {
    const uint32_t low =
        state ^ (data[0] | data[1] << 8 | data[2] << 16 | static_cast<uint32_t>(data[3]) << 24);
    state = kTables[7][low & 0xff] ^ kTables[6][(low >> 8) & 0xff] ^
            kTables[5][(low >> 16) & 0xff] ^ kTables[4][low >> 24] ^ kTables[3][data[4]] ^
            kTables[2][data[5]] ^ kTables[1][data[6]] ^ kTables[0][data[7]];
  }
  for (; size > 0; ++data, --size) state = (state >> 8) ^ kTables[0][(state ^ *data) & 0xff];
  return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t ExtendSse42(uint32_t state, const unsigned char* data,
                                                       size_t size) {
  uint64_t wide = state;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, sizeof(word));
    wide = _mm_crc32_u64(wide, word);
  }
  state = static_cast<uint32_t>(wide);
  for (; size > 0; ++data, --size) state = _mm_crc32_u8(state, *data);
  return state;
}
#endif

using ExtendFunction = uint32_t (*)(uint32_t, const unsigned char*, size_t);

ExtendFunction ChooseExtend() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ExtendSse42;
#endif
  return ExtendPortable;
}

}  // namespace

namespace internal {

uint32_t Crc32cPortable(absl::string_view data, uint32_t crc) {
  return ~ExtendPortable(~crc, reinterpret_cast<const unsigned char*>(data.data()), data.size());
}

}  // namespace internal

uint32_t Crc32c(absl::string_view data, uint32_t crc) {
  static const ExtendFunction extend = ChooseExtend();
  return ~extend(~crc, reinterpret_cast<const unsigned char*>(data.data()), data.size());
}

uint32_t MaskCrc(uint32_t crc) {
  constexpr uint32_t kDelta = 0xa282ead8;
  return ((crc >> 15) | (crc << 17)) + kDelta;
}

}  // namespace skytrain
