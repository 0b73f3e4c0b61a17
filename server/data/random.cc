#include "server/data/random.h"

#include <cstddef>
#include <numeric>
#include <utility>

#include "server/data/philox.h"

namespace skytrain::data {
std::array<uint32_t, 4> Philox(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  const PhiloxWords words = PhiloxRounds(
      static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32),
      {static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
       static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)});
  return {words.w0, words.w1, words.w2, words.w3};
}

std::array<uint32_t, 4> Draw(uint64_t seed, Purpose purpose, uint64_t epoch, uint64_t position) {
  // The purpose takes the top byte: epochs stay far below 2^56.
  return Philox(seed, position, epoch ^ (static_cast<uint64_t>(purpose) << 56));
}

std::vector<int64_t> Permutation(uint64_t seed, Purpose purpose, uint64_t epoch, int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = n - 1; i > 0; --i) {
    const auto words = Draw(seed, purpose, epoch, static_cast<uint64_t>(i));
    const uint64_t word = (uint64_t{words[1]} << 32) | words[0];
    // The high half of word * (i + 1): uniform over 0..i to within 2^-64 * i.
    const auto j = static_cast<int64_t>(
        (static_cast<unsigned __int128>(word) * static_cast<uint64_t>(i + 1)) >> 64);
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  }
  return order;
}

std::vector<int64_t> EpochOrder(uint64_t seed, uint64_t epoch, int64_t n) {
  return Permutation(seed, Purpose::kOrder, epoch, n);
}

}  // namespace skytrain::data
