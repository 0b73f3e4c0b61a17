#include "server/training/input/mixup.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skytrain::training {
namespace {

using ::testing::ElementsAre;

TEST(MixupTest, SharesHaveTheMomentsOfTheBetaDistribution) {
  constexpr int kDraws = 20'000;
  for (const double alpha : {0.2, 1.0, 4.0}) {
    // (share - 1/2)^2 is that of the draw itself; its mean is Beta's variance.
    double squares = 0, fourths = 0;
    for (int batch = 0; batch < kDraws; ++batch) {
      const double share = DrawMixShare(alpha, 1, 1, batch);
      ASSERT_GE(share, 0.5);
      ASSERT_LE(share, 1.0);
      squares += std::pow(share - 0.5, 2) / kDraws;
      fourths += std::pow(share - 0.5, 4) / kDraws;
    }
    const double variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
    const double fourth = 3.0 / (16.0 * (2.0 * alpha + 1.0) * (2.0 * alpha + 3.0));
    const double error = 5.0 * std::sqrt((fourth - variance * variance) / kDraws);
    EXPECT_NEAR(squares, variance, error) << alpha;
    EXPECT_NEAR(fourths, fourth, error) << alpha;
  }
}

TEST(MixupTest, ASmallAlphaHardlyMixes) {
  for (int batch = 0; batch < 100; ++batch) {
    const double share = DrawMixShare(1e-6, 1, 1, batch);
    EXPECT_GT(share, 0.999) << batch;
    EXPECT_LE(share, 1.0);
  }
}

TEST(MixupTest, SharesDependOnSeedEpochAndBatchAlone) {
  const double share = DrawMixShare(1.0, 1, 1, 1);
  EXPECT_EQ(share, DrawMixShare(1.0, 1, 1, 1));
  EXPECT_NE(share, DrawMixShare(1.0, 2, 1, 1));
  EXPECT_NE(share, DrawMixShare(1.0, 1, 2, 1));
  EXPECT_NE(share, DrawMixShare(1.0, 1, 1, 2));
}

TEST(MixupTest, PartnersAreTakenFromTheOtherEnd) {
  std::vector<float> values = {0, 8, 16, 24, 32, 40};  // Three samples of two.
  MixSamples(0.75, 3, absl::MakeSpan(values));
  EXPECT_THAT(values, ElementsAre(8, 16, 16, 24, 24, 32));
}

}  // namespace
}  // namespace skytrain::training
