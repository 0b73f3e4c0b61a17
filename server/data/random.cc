#include "server/data/random.h"

#include <cstddef>
#include <numeric>
#include <utility>

namespace skytrain::data {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

}  // namespace

std::array<uint32_t, 4> Philox(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  uint32_t c0 = static_cast<uint32_t>(counter_low), c1 = static_cast<uint32_t>(counter_low >> 32);
  uint32_t c2 = static_cast<uint32_t>(counter_high), c3 = static_cast<uint32_t>(counter_high >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * c0;
    const uint64_t product1 = uint64_t{kMultiplier1} * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(product0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return {c0, c1, c2, c3};
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
