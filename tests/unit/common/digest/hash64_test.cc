#include "common/digest/hash64.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace skytrain {
namespace {

TEST(Hash64Test, EveryBitAndEveryLengthCounts) {
  std::set<uint64_t> seen;
  const std::string zeros(67, '\0');
  for (size_t size = 0; size <= zeros.size(); ++size) {
    EXPECT_TRUE(seen.insert(Hash64(absl::string_view(zeros).substr(0, size))).second) << size;
  }
  for (size_t at = 0; at < zeros.size() * 8; ++at) {
    std::string data = zeros;
    data[at / 8] = static_cast<char>(1 << (at % 8));
    EXPECT_TRUE(seen.insert(Hash64(data)).second) << at;
  }
}

TEST(Hash64Test, SwappedBlocksDiffer) {
  const std::string a(16, 'a'), b(16, 'b');
  EXPECT_NE(Hash64(a + b), Hash64(b + a));
}

TEST(Hash64Test, IsWhatFilesHoldOfEarlierVersions) {
  EXPECT_EQ(Hash64("galaxy"), 10960959039944466411ull);
}

}  // namespace
}  // namespace skytrain
