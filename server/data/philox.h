#pragma once

#include <cstdint>

// A function that plain C++, vectorised loops and CUDA kernels share: always inlined, so that it is
// compiled for the instruction set of its caller.
#if defined(__CUDACC__)
#define SKYTRAIN_SHARED_INLINE __host__ __device__ __forceinline__
#else
#define SKYTRAIN_SHARED_INLINE [[gnu::always_inline]] inline
#endif

namespace skytrain::data {

struct PhiloxWords {
  uint32_t w0, w1, w2, w3;
};

// Philox4x32-10 of the counter `c` under the key (`k0`, `k1`): see random.h.
SKYTRAIN_SHARED_INLINE PhiloxWords PhiloxRounds(uint32_t k0, uint32_t k1, PhiloxWords c) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * c.w0;
    const uint64_t product1 = uint64_t{0xCD9E8D57} * c.w2;
    c = {static_cast<uint32_t>(product1 >> 32) ^ c.w1 ^ k0, static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ c.w3 ^ k1, static_cast<uint32_t>(product0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

}  // namespace skytrain::data
