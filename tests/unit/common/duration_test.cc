#include "common/duration.h"

#include <gtest/gtest.h>

namespace skytrain {
namespace {

TEST(DurationTest, ReadsWhatPeopleWrite) {
  const struct {
    const char* text;
    absl::Duration duration;
  } kCases[] = {
      {"90s", absl::Seconds(90)},    {"30m", absl::Minutes(30)}, {"2h", absl::Hours(2)},
      {"30d", absl::Hours(30 * 24)}, {"1d12h", absl::Hours(36)}, {"500ms", absl::Milliseconds(500)},
      {"0", absl::ZeroDuration()},
  };
  for (const auto& test : kCases) {
    const auto duration = ParseDuration(test.text);
    ASSERT_TRUE(duration.ok()) << test.text << ": " << duration.status();
    EXPECT_EQ(*duration, test.duration) << test.text;
  }
}

TEST(DurationTest, RefusesEverythingElse) {
  for (const char* text : {"", "5", "d", "-1d", "-3s", "1d-2h", "inf", "2 weeks", "1d2d"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

}  // namespace
}  // namespace skytrain
