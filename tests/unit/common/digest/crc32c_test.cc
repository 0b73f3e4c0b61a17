#include <gtest/gtest.h>

#include <random>
#include <string>

#include "common/digest/digest.h"

namespace skytrain {
namespace {

TEST(Crc32cTest, AgreesWithTheVectorsOfRfc3720) {
  std::string ascending(32, '\0'), descending(32, '\0');
  for (int i = 0; i < 32; ++i) {
    ascending[i] = static_cast<char>(i);
    descending[i] = static_cast<char>(31 - i);
  }
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(ascending), 0x46dd794eu);
  EXPECT_EQ(Crc32c(descending), 0x113fdb5cu);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, ContinuesAtAnySplit) {
  const std::string text = "Stars are balls of gas, galaxies are balls of stars.";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(text.substr(cut), Crc32c(text.substr(0, cut))), Crc32c(text)) << cut;
  }
}

TEST(Crc32cTest, TablesAndInstructionAgreeAtEveryLengthAndAlignment) {
  std::mt19937 random(7);
  std::string bytes(300, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  for (size_t start = 0; start < 9; ++start) {
    for (size_t size = 0; start + size <= bytes.size(); ++size) {
      const absl::string_view part = absl::string_view(bytes).substr(start, size);
      ASSERT_EQ(internal::Crc32cPortable(part, 5), Crc32c(part, 5)) << start << " " << size;
    }
  }
}

TEST(Crc32cTest, MaskedCrcOfNothingIsNotZero) { EXPECT_NE(MaskCrc(Crc32c("")), 0u); }

}  // namespace
}  // namespace skytrain
