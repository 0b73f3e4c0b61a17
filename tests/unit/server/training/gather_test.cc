#include "server/training/input/gather.h"

#include <cmath>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory_dataset.h"
#include "server/training/input/normalisation.h"

namespace skytrain::training {
namespace {

using ::testing::ElementsAre;

constexpr PixelScale kIdentity = {{1.0F, 1.0F, 1.0F}, {0.0F, 0.0F, 0.0F}};

// A 2x2 image with pixels 0 1 / 2 3 (all channels equal), turned; its pixels in reading order.
std::vector<float> Turned(Turn turn) {
  std::vector<uint8_t> image;
  for (const uint8_t pixel : {0, 1, 2, 3}) image.insert(image.end(), 3, pixel);
  std::vector<float> out(12);
  GatherImages({image.data(), 2, 2, 2}, {0}, {turn}, kIdentity, out.data());
  std::vector<float> pixels;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(out[3 * i], out[3 * i + 2]);
    pixels.push_back(out[3 * i]);
  }
  return pixels;
}

TEST(GatherTest, TurnsAreNumpysRot90OfFliplr) {
  EXPECT_THAT(Turned(0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Turned(1), ElementsAre(1, 3, 0, 2));
  EXPECT_THAT(Turned(2), ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(Turned(3), ElementsAre(2, 0, 3, 1));
  EXPECT_THAT(Turned(kFlip), ElementsAre(1, 0, 3, 2));
  EXPECT_THAT(Turned(kFlip | 1), ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(Turned(kFlip | 2), ElementsAre(2, 3, 0, 1));
  EXPECT_THAT(Turned(kFlip | 3), ElementsAre(3, 1, 2, 0));
}

TEST(GatherTest, TakesTheCentreOfALargerCanvas) {
  std::vector<uint8_t> image(4 * 4 * 3);
  for (int i = 0; i < 16; ++i) image[3 * i] = static_cast<uint8_t>(i);
  std::vector<float> out(2 * 2 * 3);
  GatherImages({image.data(), 4, 4, 2}, {0}, {Turn{0}}, kIdentity, out.data());
  EXPECT_EQ(out[0], 5);
  EXPECT_EQ(out[9], 10);
}

TEST(GatherTest, NormalisesEachChannelWithItsOwnConstants) {
  const std::vector<uint8_t> image = {255, 0, 51};
  const PixelScale scale = MakePixelScale({{0.5, 0.25, 0.0}, {0.5, 0.25, 0.1}});
  std::vector<float> out(3);
  GatherImages({image.data(), 1, 1, 1}, {0}, {Turn{0}}, scale, out.data());
  EXPECT_NEAR(out[0], 1.0, 1e-6);
  EXPECT_NEAR(out[1], -1.0, 1e-6);
  EXPECT_NEAR(out[2], 2.0, 1e-6);
}

TEST(GatherTest, TurnsDependOnSeedEpochAndPositionAlone) {
  const spec::AugmentPlan both{true, true};
  std::set<Turn> seen;
  int differ = 0;
  for (uint64_t position = 0; position < 200; ++position) {
    const Turn turn = DrawTurn(both, 7, 3, position);
    EXPECT_EQ(turn, DrawTurn(both, 7, 3, position));
    seen.insert(turn);
    if (turn != DrawTurn(both, 7, 4, position)) ++differ;
  }
  EXPECT_EQ(seen.size(), 8);
  EXPECT_GT(differ, 100);
}

TEST(GatherTest, TurnsKeepToWhatIsAllowed) {
  for (uint64_t position = 0; position < 50; ++position) {
    EXPECT_EQ(DrawTurn({false, false}, 1, 1, position), 0);
    EXPECT_EQ(DrawTurn({true, false}, 1, 1, position) & kFlip, 0);
    EXPECT_EQ(DrawTurn({false, true}, 1, 1, position) & 3, 0);
  }
}

TEST(NormalisationTest, DatasetConstantsAreOfTheTrainSplitAlone) {
  MemoryDataset set = MemoryDataset::Images(3, 1, 2);
  set.bytes() = {0, 51, 0, 102, 51, 0, 255, 255, 255};
  set.SetSplits({0, 1}, {}, {2});
  const Normalisation normalisation = *MakeNormalisation({.size = 1}, set);
  EXPECT_NEAR(normalisation.mean[0], 0.2, 1e-12);
  EXPECT_NEAR(normalisation.deviation[0], 0.2, 1e-9);
  EXPECT_NEAR(normalisation.mean[1], 0.2, 1e-12);
  EXPECT_EQ(normalisation.deviation[1], 1.0);  // Never varies: no division by 0.
}

TEST(NormalisationTest, TablesAreStandardisedByColumn) {
  MemoryDataset set = MemoryDataset::Table({1, 10, 3, 10, 100, 100}, 2, {0, 1, 0}, 2);
  set.SetSplits({0, 1}, {}, {2});
  const Normalisation normalisation = *MakeNormalisation({}, set);
  EXPECT_THAT(normalisation.mean, ElementsAre(2, 10));
  EXPECT_THAT(normalisation.deviation, ElementsAre(1, 1));
  std::vector<float> row(2);
  GatherRows(set.features(), 2, {1}, normalisation, row.data());
  EXPECT_THAT(row, ElementsAre(1, 0));
}

}  // namespace
}  // namespace skytrain::training
