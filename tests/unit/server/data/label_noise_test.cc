#include "server/data/label_noise.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gtest/gtest.h"

namespace skytrain::data {
namespace {

constexpr int kCount = 4000, kClasses = 4;

std::vector<int32_t> Labels() {
  std::vector<int32_t> labels(kCount);
  for (int i = 0; i < kCount; ++i) labels[i] = i % kClasses;
  return labels;
}

// The upper half trains.
std::vector<int64_t> Train() {
  std::vector<int64_t> train(kCount / 2);
  std::iota(train.begin(), train.end(), kCount / 2);
  return train;
}

v1::LabelNoise Noise(double fraction, v1::LabelNoise::Kind kind, uint64_t seed = 7) {
  v1::LabelNoise noise;
  noise.set_fraction(fraction);
  noise.set_kind(kind);
  noise.set_seed(seed);
  return noise;
}

TEST(LabelNoiseTest, ExactlyTheFractionOfTheTrainSplitIsWrong) {
  std::vector<int32_t> labels = Labels();
  const v1::LabelNoise noise = Noise(0.2, v1::LabelNoise::KIND_UNSPECIFIED);
  EXPECT_EQ(AddLabelNoise(noise, kClasses, Train(), labels), 400);
  std::vector<int> shifts(kClasses);
  for (int i = 0; i < kCount; ++i) {
    if (i < kCount / 2) {
      ASSERT_EQ(labels[i], i % kClasses) << i;
    }
    ++shifts[(labels[i] - i % kClasses + kClasses) % kClasses];
  }
  EXPECT_EQ(shifts[0], kCount - 400);
  for (int k = 1; k < kClasses; ++k) EXPECT_NEAR(shifts[k], 400 / 3.0, 5 * std::sqrt(400 / 3.0));
}

TEST(LabelNoiseTest, UniformLeavesSomeRight) {
  std::vector<int32_t> labels = Labels();
  const int64_t changed =
      AddLabelNoise(Noise(1.0, v1::LabelNoise::KIND_UNIFORM), kClasses, Train(), labels);
  EXPECT_NEAR(static_cast<double>(changed), 1500, 5 * std::sqrt(2000 * 0.25 * 0.75));
}

TEST(LabelNoiseTest, DependsOnSeedAndSampleAlone) {
  std::vector<int32_t> one = Labels(), same = Labels(), other = Labels();
  std::vector<int64_t> reversed = Train();
  std::reverse(reversed.begin(), reversed.end());
  AddLabelNoise(Noise(0.3, v1::LabelNoise::KIND_UNIFORM_WRONG), kClasses, Train(), one);
  AddLabelNoise(Noise(0.3, v1::LabelNoise::KIND_UNIFORM_WRONG), kClasses, reversed, same);
  AddLabelNoise(Noise(0.3, v1::LabelNoise::KIND_UNIFORM_WRONG, 8), kClasses, Train(), other);
  EXPECT_EQ(one, same);
  EXPECT_NE(one, other);
}

}  // namespace
}  // namespace skytrain::data
