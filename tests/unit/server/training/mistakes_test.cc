#include "server/training/loop/mistakes.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/digest/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory_dataset.h"
#include "server/data/image.h"
#include "server/training/tasks/classification.h"
#include "tests/support/temp_dir.h"

namespace skytrain::training {
namespace {

const c10::Device kCpu(c10::kCPU);

class MistakesTest : public ::testing::Test {
 protected:
  // Six images of classes 0, 1, 2, 0, 1, 2, each in one colour: sample i is 40 i.
  MistakesTest() : set_(MemoryDataset::Images(6, 16, 3)), task_(set_.classes(), ClassLoss{}, kCpu) {
    for (size_t i = 0; i < set_.bytes().size(); ++i) {
      set_.bytes()[i] = static_cast<uint8_t>(40 * (i / (16 * 16 * 3)));
    }
  }

  // Everything is taken for `taken`, sample i with confidence that grows with i.
  void Show(WorstMistakes& mistakes, int64_t taken) {
    at::Tensor outputs = at::zeros({6, 3});
    outputs.select(1, taken).copy_(at::arange(1, 7));
    std::vector<int64_t> samples(6);
    std::iota(samples.begin(), samples.end(), 0);
    Batch batch;
    batch.labels = at::tensor({0, 1, 2, 0, 1, 2}, at::kLong);
    mistakes.Add(samples, {outputs, outputs.softmax(1), {}}, batch);
  }

  // Grey of the middle of each tile of the sheet that was written.
  std::vector<int> Tiles(const WorstMistakes& mistakes,
                         const std::vector<std::pair<int, int>>& at) {
    const TempDir dir;
    const auto digest = mistakes.Write(FileSystem::Posix(), dir.File("m.png"));
    EXPECT_TRUE(digest.ok()) << digest.status();
    const std::string png = *FileSystem::Posix().ReadFile(dir.File("m.png"), 1 << 24);
    EXPECT_EQ(digest->sha256, Sha256Hex(png));
    data::Pixels image;
    const absl::Status decoded = data::DecodePng(png, image);
    EXPECT_TRUE(decoded.ok()) << decoded;
    std::vector<int> greys;
    for (const auto& [x, y] : at) greys.push_back(image.rgb[(y * image.width + x) * 3]);
    return greys;
  }

  MemoryDataset set_;
  const ClassificationTask task_;
};

TEST_F(MistakesTest, RightAnswersAreNone) {
  WorstMistakes mistakes(set_, task_, 16, 10);
  at::Tensor outputs = at::eye(3).repeat({2, 1}) * 5;
  Batch batch;
  batch.labels = at::tensor({0, 1, 2, 0, 1, 2}, at::kLong);
  const std::vector<int64_t> samples = {0, 1, 2, 3, 4, 5};
  mistakes.Add(samples, {outputs, outputs.softmax(1), {}}, batch);
  EXPECT_TRUE(mistakes.empty());
  Show(mistakes, 1);
  EXPECT_FALSE(mistakes.empty());
}

// Tiles are 128 wide, 4 apart, below a title of 18; a row with its captions takes 143.
TEST_F(MistakesTest, WorstComeFirstBelowTheirClassWithTheWorstClassFirst) {
  WorstMistakes mistakes(set_, task_, 16, 3);
  Show(mistakes, 1);  // Wrong are 5, 3, 2 and 0, in this order, of which three are kept.
  EXPECT_THAT(Tiles(mistakes, {{68, 86}, {200, 86}, {68, 247}}),
              ::testing::ElementsAre(5 * 40, 2 * 40, 3 * 40));
}

TEST_F(MistakesTest, WhatIsNoNumberIsTheWorst) {
  WorstMistakes mistakes(set_, task_, 16, 1);
  Show(mistakes, 1);  // Keeps 5.
  at::Tensor predictions = at::zeros({6, 3});
  predictions.select(1, 1).fill_(0.9);
  at::Tensor outputs = 5 * predictions;
  outputs[3].fill_(std::numeric_limits<double>::quiet_NaN());
  Batch batch;
  batch.labels = at::tensor({0, 1, 2, 0, 1, 2}, at::kLong);
  const std::vector<int64_t> samples = {0, 1, 2, 3, 4, 5};
  mistakes.Add(samples, {outputs, predictions, {}}, batch);
  EXPECT_THAT(Tiles(mistakes, {{68, 86}}), ::testing::ElementsAre(3 * 40));
}

// A sheet of 16 megapixels has room for seven rows of 512: three of ten classes are left out.
TEST(MistakesSheetTest, WorstIsShownWhereThereIsNoRoomForAll) {
  constexpr int kSide = 512, kClasses = 10, kCount = 60, kWorst = 9;
  constexpr size_t kBytes = size_t{3} * kSide * kSide;
  MemoryDataset set = MemoryDataset::Images(kCount, kSide, kClasses);
  std::fill(set.bytes().begin(), set.bytes().end(), uint8_t{60});
  std::fill_n(set.bytes().begin() + kWorst * kBytes, kBytes, uint8_t{251});
  const ClassificationTask task(set.classes(), ClassLoss{}, kCpu);
  at::Tensor outputs = at::zeros({kCount, kClasses});
  for (int i = 0; i < kCount; ++i) outputs[i][(i + 1) % kClasses] = i == kWorst ? 20.0 : 3.0;
  Batch batch;
  batch.labels = at::arange(kCount, at::kLong).remainder(kClasses);
  std::vector<int64_t> samples(kCount);
  std::iota(samples.begin(), samples.end(), 0);
  WorstMistakes mistakes(set, task, kSide, 48);
  mistakes.Add(samples, {outputs, outputs.softmax(1), {}}, batch);
  const TempDir dir;
  const auto digest = mistakes.Write(FileSystem::Posix(), dir.File("m.png"));
  ASSERT_TRUE(digest.ok()) << digest.status();
  data::Pixels image;
  const std::string png = *FileSystem::Posix().ReadFile(dir.File("m.png"), 1 << 26);
  ASSERT_TRUE(data::DecodePng(png, image).ok());
  EXPECT_EQ(std::count(image.rgb.begin(), image.rgb.end(), uint8_t{251}), kBytes);
}

}  // namespace
}  // namespace skytrain::training
