#include "client/render/format.h"

#include <gtest/gtest.h>

#include <cmath>

#include "client/render/table.h"

namespace skytrain::client {
namespace {

TEST(Format, Counts) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1777), "1,777");
  EXPECT_EQ(FormatCount(-1234567), "-1,234,567");
  EXPECT_EQ(FormatMillions(11'181'642), "11.2 M");
  EXPECT_EQ(Plural(1, "job"), "1 job");
  EXPECT_EQ(Plural(2210, "event"), "2,210 events");
}

TEST(Format, Bytes) {
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(44'700'000), "44.7 MB");
  EXPECT_EQ(FormatBytes(999'960), "1.0 MB");
  EXPECT_EQ(FormatBytes(1'100'000'000), "1.1 GB");
}

TEST(Format, Times) {
  EXPECT_EQ(FormatSpan(absl::Milliseconds(420)), "0.4s");
  EXPECT_EQ(FormatSpan(absl::Seconds(92)), "1m32s");
  EXPECT_EQ(FormatSpan(absl::Minutes(125)), "2h05m");
  EXPECT_EQ(FormatSpan(absl::Hours(76)), "3d4h");
  EXPECT_EQ(FormatAge(absl::Seconds(70)), "1m10s");
  EXPECT_EQ(FormatAge(absl::Minutes(4)), "4m");
  EXPECT_EQ(FormatAge(absl::Hours(9 * 24)), "9d");
  EXPECT_EQ(FormatAge(absl::Seconds(-3)), "0s") << "a server's clock may be ahead";
}

TEST(Format, StartsInLocalTime) {
  const absl::Time noon = absl::FromCivil(absl::CivilHour(2026, 3, 1, 12), absl::LocalTimeZone());
  EXPECT_EQ(StartText(noon + absl::Minutes(140), noon), "about 14:20");
  EXPECT_EQ(StartText(noon + absl::Hours(14), noon), "about Mar  2 02:00");
  EXPECT_EQ(StartText(noon, noon), "now");
}

TEST(Format, Metrics) {
  EXPECT_EQ(FormatMetric(0.842), "0.8420");
  EXPECT_EQ(FormatMetric(18000), "18000.0");
  EXPECT_EQ(FormatMetric(1.8e7), "1.8e+07");
  EXPECT_EQ(FormatMetric(std::nan("")), "nan");
  EXPECT_EQ(FormatMetric(-INFINITY), "-inf");
}

TEST(Format, TextOfAJobCannotSteerTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[31mb\tc\n"), "a\xef\xbf\xbd[31mb\tc\n");
  EXPECT_EQ(Printable("\xc2\x9b"), "\xef\xbf\xbd") << "the one-byte CSI in UTF-8";
  EXPECT_EQ(ValidUtf8("gr\xc3\xbc\xff\xc3"), "gr\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(ValidUtf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") << "a surrogate";
  EXPECT_EQ(ValidUtf8("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd") << "an overlong zero";
}

TEST(Format, WidthCountsCharactersAndNoEscapes) {
  EXPECT_EQ(DisplayWidth("━━╺"), 3);
  EXPECT_EQ(DisplayWidth("\x1b[32mok\x1b[0m"), 2);
  EXPECT_EQ(Ellipsize("spiral", 4), "spi…");
  EXPECT_EQ(Ellipsize("spiral", 6), "spiral");
}

TEST(Format, ShortNames) {
  EXPECT_EQ(ShortName("jobs/a-7k2m"), "a-7k2m");
  EXPECT_EQ(ShortName("models/m/versions/2"), "m@2");
  EXPECT_EQ(ShortName("other"), "other");
}

TEST(Table, AlignsAndCutsTheWidestColumns) {
  Table table({{"JOB"}, {"N", Table::Align::kRight}});
  table.AddRow({"a-long-name-of-a-job", "7"});
  table.AddRow({"b", "1,234"});
  EXPECT_EQ(table.Render(0),
            "JOB                       N\n"
            "a-long-name-of-a-job      7\n"
            "b                     1,234\n");
  EXPECT_EQ(table.Render(17),
            "JOB             N\n"
            "a-long-na…      7\n"
            "b           1,234\n");
}

}  // namespace
}  // namespace skytrain::client
