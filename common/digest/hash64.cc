#include "common/digest/hash64.h"

#include <cstring>

namespace skytrain {
namespace {

// Odd numbers without a pattern: the fractional parts of the golden ratio and of the square root of
// 2, as 64 bits.
constexpr uint64_t kGolden = 0x9E3779B97F4A7C15, kRoot = 0x6A09E667F3BCC909;

// Both halves of the product of 64 bits with 64: every bit of the inputs reaches most of the
// result.
uint64_t Mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t Word(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

}  // namespace

uint64_t Hash64(absl::string_view data) {
  // The length is part of it, so that trailing zeros count.
  uint64_t hash = Mix(kGolden ^ data.size(), kRoot);
  while (data.size() >= 16) {
    hash = Mix(Word(data.data()) ^ kGolden ^ hash, Word(data.data() + 8) ^ kRoot) + hash;
    data.remove_prefix(16);
  }
  char rest[16] = {};
  if (!data.empty()) std::memcpy(rest, data.data(), data.size());
  hash = Mix(Word(rest) ^ kGolden ^ hash, Word(rest + 8) ^ kRoot) + hash;
  return Mix(hash ^ kRoot, kGolden);
}

}  // namespace skytrain
