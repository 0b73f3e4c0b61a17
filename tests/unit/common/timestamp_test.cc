#include "common/timestamp.h"

#include <gtest/gtest.h>

namespace skytrain {
namespace {

TEST(TimestampTest, EveryNanosecondComesBack) {
  for (const absl::Time time : {absl::UnixEpoch(), absl::FromUnixNanos(1764000000123456789),
                                absl::FromUnixNanos(-1), absl::FromUnixSeconds(-5)}) {
    EXPECT_EQ(ToTime(ToTimestamp(time)), time);
  }
}

TEST(TimestampTest, NanosCountForwardAlsoBefore1970) {
  EXPECT_EQ(ToTimestamp(absl::FromUnixNanos(-1)).seconds(), -1);
  EXPECT_EQ(ToTimestamp(absl::FromUnixNanos(-1)).nanos(), 999999999);
}

}  // namespace
}  // namespace skytrain
