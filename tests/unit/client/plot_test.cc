#include "client/render/plot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace skytrain::client {
namespace {

TEST(Sparkline, SpansTheRangeOfItsValues) {
  EXPECT_EQ(Sparkline({0.4, 0.5, 0.6, 0.7, 0.84}, 40), "0.40 ▁▃▄▆█ 0.84");
  EXPECT_EQ(Sparkline({1, NAN, 2}, 40), "1.00 ▁ █ 2.00");
  EXPECT_EQ(Sparkline({1, 1}, 40), "1.00 ▅▅ 1.00");
  EXPECT_EQ(Sparkline({NAN}, 40), "");
  EXPECT_EQ(Sparkline({}, 40), "");
}

TEST(Sparkline, LongCurveKeepsItsEnds) {
  std::vector<double> values(1000, 0.5);
  values.front() = 0;
  values.back() = 1;
  EXPECT_EQ(Sparkline(values, 5), "0.00 ▁▅▅▅█ 1.00");
}

TEST(LinePlot, DrawsACurveWithBothScales) {
  EXPECT_EQ(LinePlot({{0, 0}, {10, 0}, {11, 1}, {20, 1}}, 28, 3, "epoch"),
            " 1.00 ┤           ╭─────────\n"
            " 0.50 ┤           │\n"
            " 0.00 ┼───────────╯\n"
            "       0                   20  epoch\n");
}

TEST(LinePlot, NamesNoEpochTwice) {
  const std::string plot = LinePlot({{1, 0}, {2, 0.5}, {3, 1}}, 80, 3, "epoch");
  std::string axis = plot.substr(plot.rfind('\n', plot.size() - 2) + 1);
  axis.erase(
      std::unique(axis.begin(), axis.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
      axis.end());
  EXPECT_EQ(axis, " 1 2 3 epoch\n");
}

TEST(LinePlot, NothingToDrawIsEmpty) {
  EXPECT_EQ(LinePlot({}, 40, 5, "step"), "");
  EXPECT_EQ(LinePlot({{1, NAN}}, 40, 5, "step"), "");
}

TEST(LinePlot, FlatCurveIsOneLine) {
  EXPECT_EQ(LinePlot({{1, 2}, {2, 2}}, 17, 5, "step"),
            " 2.00 ┼──────────\n"
            "       1        2  step\n");
}

}  // namespace
}  // namespace skytrain::client
