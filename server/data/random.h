#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace skytrain::data {

// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): four words
// that are a pure function of key and counter, so that a resumed run draws what an unbroken one
// would.
std::array<uint32_t, 4> Philox(uint64_t key, uint64_t counter_low, uint64_t counter_high);

// What a draw is for; draws of different purposes are independent.
enum class Purpose : uint32_t {
  kOrder = 1,
  kAugment = 2,
  kSplit = 3,
  kInit = 4,
  kDropout = 5,
  kLabelNoise = 6,
  kAffine = 7,
  kColour = 8,
  kPixelNoise = 9,
  kCutout = 10,
  kMixup = 11
};

// Four words for (seed, purpose, epoch, position).
std::array<uint32_t, 4> Draw(uint64_t seed, Purpose purpose, uint64_t epoch, uint64_t position);

// A permutation of 0..n-1 that depends on (seed, purpose, epoch) alone.
std::vector<int64_t> Permutation(uint64_t seed, Purpose purpose, uint64_t epoch, int64_t n);

// A permutation of 0..n-1 that depends on (seed, epoch) alone (Fisher-Yates on Draw with kOrder).
std::vector<int64_t> EpochOrder(uint64_t seed, uint64_t epoch, int64_t n);

}  // namespace skytrain::data
