#include "server/data/table_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "server/data/parquet/parquet.h"
#include "tests/support/temp_dir.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;

// The file of one column with these texts, in two portions.
std::string Written(TableFormat format, const std::string& name, std::vector<std::string> texts) {
  std::string bytes;
  auto writer = MakeTableWriter(format, {{name}}, [&](absl::string_view more) {
    bytes.append(more.data(), more.size());
    return absl::OkStatus();
  });
  EXPECT_TRUE(writer.ok()) << writer.status();
  for (std::string& text : texts) {
    std::vector<ColumnValues> values(1);
    values[0].texts = {std::move(text)};
    EXPECT_TRUE((*writer)->Add(std::move(values)).ok());
  }
  EXPECT_TRUE((*writer)->Finish().ok());
  return bytes;
}

// Latin-1, a character that is cut short, a surrogate, and text that is right.
const std::vector<std::string> kTexts = {"gal\xe9 1", "\xe2\x82", "\xed\xa0\x80",
                                         "M\u00fc\u20ac\U0001d4ae \\x"};
const std::vector<std::string> kAsUtf8 = {"gal\\xe9 1", "\\xe2\\x82", "\\xed\\xa0\\x80",
                                          "M\u00fc\u20ac\U0001d4ae \\x"};

TEST(TableWriter, ParquetIsUtf8WhateverTheText) {
  const TempDir dir;
  WriteWhole(dir.File("t.parquet"), Written(TableFormat::kParquet, "na\xefve", kTexts));
  const auto file = OpenParquet(dir.File("t.parquet"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->columns()[0].name, "na\\xefve");
  std::vector<std::string> cells;
  ASSERT_EQ((*file)->ReadCells(0, cells), "");
  EXPECT_EQ(cells, kAsUtf8);
}

TEST(TableWriter, JsonIsUtf8WhateverTheText) {
  std::vector<std::string> cells;
  for (const absl::string_view line : absl::StrSplit(
           Written(TableFormat::kJsonLines, "na\xefve", kTexts), '\n', absl::SkipEmpty())) {
    cells.push_back(nlohmann::json::parse(line).at("na\\xefve"));
  }
  EXPECT_EQ(cells, kAsUtf8);
}

TEST(TableWriter, CsvHasBytesAsTheyAre) {
  EXPECT_THAT(absl::StrSplit(Written(TableFormat::kCsv, "id", kTexts), '\n'),
              ElementsAre("id", kTexts[0], kTexts[1], kTexts[2], kTexts[3], ""));
}

}  // namespace
}  // namespace skytrain::data
