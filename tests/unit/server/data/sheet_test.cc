#include "server/data/sheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/data/bitmap_font.h"
#include "server/data/image.h"

namespace skytrain::data {
namespace {

using ::testing::Each;

constexpr int kSide = 32, kColumns = 4;
constexpr int kRow = kSide + 15, kTitle = 18, kGap = 4;  // Heights with what is below them.

SheetGroup Group(const std::string& title, int images, uint8_t grey = 200) {
  SheetGroup group{title, {}};
  for (int i = 0; i < images; ++i) {
    group.images.push_back({std::vector<uint8_t>(3 * kSide * kSide, grey), ""});
  }
  return group;
}

// The grey of the pixel, which must have three equal channels.
int At(const Sheet& sheet, int x, int y) {
  const uint8_t* pixel = &sheet.rgb[3 * (y * sheet.width + x)];
  EXPECT_TRUE(pixel[0] == pixel[1] && pixel[1] == pixel[2]);
  return pixel[0];
}

TEST(DrawSheet, PutsGroupsBelowEachOtherAndImagesInRows) {
  const Sheet sheet = DrawSheet({Group("a", 5, 100), Group("b", 1, 200)}, kSide, kColumns, 1 << 20);
  EXPECT_EQ(sheet.groups, 2);
  EXPECT_EQ(sheet.width, kGap + kColumns * (kSide + kGap));
  EXPECT_EQ(sheet.height, kGap + 2 * kTitle + 3 * kRow);
  ASSERT_EQ(sheet.rgb.size(), size_t{3} * sheet.width * sheet.height);
  const int first = kGap + kTitle, second = first + kRow, last = second + kRow + kTitle;
  EXPECT_EQ(At(sheet, kGap, first), 100);
  EXPECT_EQ(At(sheet, sheet.width - kGap - 1, first + kSide - 1), 100);
  EXPECT_EQ(At(sheet, sheet.width - kGap, first), 16) << "background";
  EXPECT_EQ(At(sheet, kGap, second), 100);
  EXPECT_EQ(At(sheet, kGap + kSide + kGap, second), 16) << "the fifth image is alone in its row";
  EXPECT_EQ(At(sheet, kGap, last), 200);
}

TEST(DrawSheet, WritesTitles) {
  const Sheet empty = DrawSheet({Group(" ", 1)}, kSide, kColumns, 1 << 20);
  const Sheet written = DrawSheet({Group("T", 1)}, kSide, kColumns, 1 << 20);
  // The bar of a T, twice as large as in the font.
  for (int x = 0; x < 2 * kGlyphWidth; ++x) {
    EXPECT_EQ(At(written, kGap + x, kGap), 255);
    EXPECT_EQ(At(empty, kGap + x, kGap), 16);
  }
  EXPECT_EQ(At(written, kGap, kGap + 2), 16);
}

TEST(DrawSheet, LongTextsStayWithinTheSheet) {
  SheetGroup group = Group(std::string(1000, 'W'), 1);
  group.images[0].caption = std::string(1000, 'W');
  const Sheet sheet = DrawSheet({group}, kSide, 1, 1 << 20);
  EXPECT_EQ(sheet.width, kGap + kSide + kGap);
  EXPECT_EQ(sheet.height, kGap + kTitle + kRow);
}

TEST(DrawSheet, LeavesOutWhatHasNoRoomAndSaysSo) {
  const std::vector<SheetGroup> groups(10, Group("a", 4));
  const int width = kGap + kColumns * (kSide + kGap);
  const int64_t room = int64_t{width} * (kGap + 3 * (kTitle + kRow) + kTitle);
  const Sheet sheet = DrawSheet(groups, kSide, kColumns, room);
  EXPECT_EQ(sheet.groups, 3);
  EXPECT_LE(int64_t{sheet.width} * sheet.height, room);
  EXPECT_EQ(sheet.height, kGap + 3 * (kTitle + kRow) + kTitle);
  // One group too large: its first rows.
  const Sheet one = DrawSheet({Group("a", 1000)}, kSide, kColumns, room);
  EXPECT_EQ(one.groups, 1);
  EXPECT_LE(int64_t{one.width} * one.height, room);
  EXPECT_EQ(DrawSheet({}, kSide, kColumns, room).groups, 0);
}

TEST(EncodePng, IsReadBackAsItWas) {
  std::vector<uint8_t> rgb(3 * 7 * 5);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i * 37);
  const auto png = EncodePng(7, 5, rgb.data());
  ASSERT_TRUE(png.ok()) << png.status();
  Pixels pixels;
  ASSERT_TRUE(DecodePng(*png, pixels).ok());
  EXPECT_EQ(pixels.width, 7);
  EXPECT_EQ(pixels.height, 5);
  EXPECT_EQ(pixels.rgb, rgb);
}

TEST(GlyphOf, WhatTheFontLacksIsAQuestionMark) {
  EXPECT_EQ(&GlyphOf('\xc3'), &GlyphOf('?'));
  EXPECT_EQ(&GlyphOf('\n'), &GlyphOf('?'));
  EXPECT_THAT(GlyphOf(' '), Each(0));
  for (char c = '!'; c <= '~'; ++c) {
    for (const uint8_t row : GlyphOf(c)) EXPECT_LT(row, 1 << kGlyphWidth) << c;
  }
}

}  // namespace
}  // namespace skytrain::data
