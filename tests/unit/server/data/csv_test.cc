#include "server/data/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseCsv, ReadsQuotesCrLfByteOrderMarkAndNoFinalLineEnd) {
  const auto table =
      ParseCsv("\xef\xbb\xbf\"a\", b ,c\r\n1,\"x, y\",\"say \"\"hi\"\"\"\r\n\r\n2,,z", "t.csv");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->header, ElementsAre("a", "b", "c"));
  EXPECT_THAT(table->columns, ElementsAre(ElementsAre("1", "2"), ElementsAre("x, y", ""),
                                          ElementsAre("say \"hi\"", "z")));
  EXPECT_THAT(table->lines, ElementsAre(2, 4));
}

TEST(ParseCsv, CountsLinesWithinQuotes) {
  const auto table = ParseCsv("a,b\n\"one\ntwo\",1\n3,4\n", "t.csv");
  EXPECT_EQ(table->cell(0, 0), "one\ntwo");
  EXPECT_EQ(table->cell(1, 0), "3");
  EXPECT_THAT(table->lines, ElementsAre(2, 4));
}

TEST(ParseCsv, KeepsIdsOfEighteenDigits) {
  const auto table = ParseCsv("OBJID\n588848901537202306\n588848901537202307\n", "t.csv");
  EXPECT_EQ(table->cell(0, 0), "588848901537202306");
  EXPECT_EQ(table->cell(1, 0), "588848901537202307");
}

struct BadCsv {
  const char* name;
  std::string text;
  const char* says;
};
class BadCsvText : public testing::TestWithParam<BadCsv> {};

TEST_P(BadCsvText, IsRefusedWithFileAndLine) {
  const absl::Status status = ParseCsv(GetParam().text, "t.csv").status();
  EXPECT_EQ(ReasonOf(status), "DATA_INVALID");
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadCsvText,
    testing::Values(BadCsv{"Ragged", "a,b\n1,2\n3\n", "t.csv:3: 1 cells, the header has 2"},
                    BadCsv{"OpenQuote", "a,b\n1,\"2\n3,4\n",
                           "t.csv:2: a quote that does not close"},
                    BadCsv{"TextAfterQuote", "a,b\n\"1\"x,2\n", "t.csv:2: text after a closing"},
                    BadCsv{"SameNameTwice", "a,a\n1,2\n", "two columns are named \"a\""},
                    BadCsv{"NoRows", "a,b\n", "no rows"}, BadCsv{"Nothing", "", "header line"},
                    BadCsv{"NotUtf8", "a,b\n1,\xff\xfe\n", "t.csv:2: text that is not UTF-8"},
                    BadCsv{"LongCell", "a\n" + std::string(2 << 20, 'x'), "1 MiB"},
                    BadCsv{"ManyColumns", std::string(70000, ','), "65,536 columns"}),
    [](const auto& info) { return info.param.name; });

TEST(ParseCsv, MoreCellsThanTheMemoryBoundAreRefusedAtTheirLine) {
  const std::string text = "a,b\n1,2\n3,4\n5,6\n";
  EXPECT_TRUE(ParseCsv(text, "t.csv", 6).ok());
  const absl::Status status = ParseCsv(text, "t.csv", 5).status();
  EXPECT_EQ(ReasonOf(status), "DATA_INVALID");
  EXPECT_THAT(std::string(status.message()), HasSubstr("t.csv:4: more than 5 cells"));
}

TEST(TextTable, UnknownColumnNamesTheNearest) {
  const auto table = ParseCsv("GalaxyID,Label\n1,2\n", "t.csv");
  EXPECT_THAT(std::string(table->Column("GalaxyId", "data.files.id").status().message()),
              HasSubstr("did you mean \"GalaxyID\"?"));
}

}  // namespace
}  // namespace skytrain::data
