#include "common/wire.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skytrain {
namespace {

TEST(Wire, VarintsOfAColumnComeOffBothEnds) {
  std::string column;
  const std::vector<uint64_t> values = {0, 1, 127, 128, 300, 1u << 31, ~uint64_t{0}};
  for (const uint64_t value : values) AppendVarint(value, &column);
  absl::string_view front = column, back = column;
  uint64_t value = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_TRUE(TakeVarint(&front, &value));
    EXPECT_EQ(value, values[i]);
    ASSERT_TRUE(TakeLastVarint(&back, &value));
    EXPECT_EQ(value, values[values.size() - 1 - i]);
  }
  EXPECT_FALSE(TakeVarint(&front, &value));
  EXPECT_FALSE(TakeLastVarint(&back, &value));
}

}  // namespace
}  // namespace skytrain
