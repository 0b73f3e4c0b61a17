#include "server/log.h"

#include <gtest/gtest.h>

namespace skytrain {
namespace {

TEST(LogTest, ValuesAreQuotedWhereASpaceWouldSplitThem) {
  EXPECT_EQ(
      FormatLogLine(LogFormat::kText, "info", "serving", {{"a", "plain"}, {"b", "two words"}}),
      "info serving a=plain b=\"two words\"");
  EXPECT_EQ(FormatLogLine(LogFormat::kText, "info", "serving", {{"a", "line\nbreak"}, {"b", ""}}),
            "info serving a=\"line\\nbreak\" b=\"\"");
}

TEST(LogTest, JsonLinesSurviveAnyBytes) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, "info", "x", {{"a", "q\"\xff"}}),
            "\"level\":\"info\",\"event\":\"x\",\"a\":\"q\\\"\xef\xbf\xbd\"}");
}

}  // namespace
}  // namespace skytrain
