#include "server/data/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;

// Known-answer vectors of philox4x32-10 in Random123 1.14 (tests/kat_vectors).
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_THAT(Philox(0, 0, 0), ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  EXPECT_THAT(Philox(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}),
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  // Counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0.
  EXPECT_THAT(Philox(0x299f31d0a4093822u, 0x85a308d3243f6a88u, 0x0370734413198a2eu),
              ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u));
}

TEST(Draw, DiffersBySeedPurposeEpochAndPosition) {
  std::set<std::array<uint32_t, 4>> draws;
  for (uint64_t seed : {0, 1}) {
    for (Purpose purpose : {Purpose::kOrder, Purpose::kAugment, Purpose::kSplit}) {
      for (uint64_t epoch : {0, 1, 2}) {
        for (uint64_t position : {0, 1, 2, 3}) {
          draws.insert(Draw(seed, purpose, epoch, position));
        }
      }
    }
  }
  EXPECT_EQ(draws.size(), 2u * 3 * 3 * 4);
}

TEST(EpochOrder, IsAPermutationThatSeedAndEpochDecide) {
  std::vector<int64_t> order = EpochOrder(7, 3, 1000);
  EXPECT_EQ(order, EpochOrder(7, 3, 1000));
  EXPECT_NE(order, EpochOrder(7, 4, 1000));
  EXPECT_NE(order, EpochOrder(8, 3, 1000));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(order[i], i);
  EXPECT_TRUE(EpochOrder(0, 0, 0).empty());
}

TEST(EpochOrder, PutsEverySampleEverywhereAboutAsOften) {
  constexpr int kSize = 10, kRuns = 10000;
  int counts[kSize][kSize] = {};
  for (int run = 0; run < kRuns; ++run) {
    const auto order = EpochOrder(1, run, kSize);
    for (int i = 0; i < kSize; ++i) ++counts[i][order[i]];
  }
  double chi2 = 0;
  for (const auto& row : counts) {
    for (const int count : row) chi2 += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  EXPECT_LT(chi2, 140);  // 81 degrees of freedom: 99.99 %.
}

}  // namespace
}  // namespace skytrain::data
