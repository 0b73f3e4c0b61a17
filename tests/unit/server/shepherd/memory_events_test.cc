#include "server/shepherd/memory_events.h"

#include <gtest/gtest.h>

namespace skytrain {
namespace {

TEST(MemoryEventsTest, FindsTheCounterOfThatVeryName) {
  const std::string text = "low 0\noom 3\noom_kill 2\noom_group_kill 7\n";
  EXPECT_EQ(internal::CounterIn(text, "oom_kill"), 2u);
  EXPECT_EQ(internal::CounterIn(text, "oom_killer"), 0u);
  EXPECT_EQ(internal::CounterIn("oom_kill many\n", "oom_kill"), 0u);
  EXPECT_EQ(internal::CounterIn("", "oom_kill"), 0u);
}

TEST(MemoryEventsTest, TheCountDoesNotFall) {
  const uint64_t before = CountOomKills();
  EXPECT_GE(CountOomKills(), before);
}

}  // namespace
}  // namespace skytrain
