#include "server/training/input/batch_stream.h"

#include "ATen/ATen.h"
#include "gtest/gtest.h"
#include "memory_dataset.h"

namespace skytrain::training {
namespace {

BatchOrder Order(std::vector<int64_t> samples) {
  BatchOrder order;
  order.samples = std::move(samples);
  order.batch_size = 2;
  return order;
}

TEST(BatchStreamTest, CarriesTargetsAndWeightsOfItsSamples) {
  MemoryDataset set = MemoryDataset::Images(3, 8, 3);
  set.SetTargets({"z", "mass"}, {0.0F, 10, 0.1F, 11, 0.2F, 12});
  set.SetWeights({1, 0, 2});
  const BatchSource source(set, 8, {{0, 0, 0}, {1, 1, 1}}, c10::Device(c10::kCPU));
  BatchStream stream(source, Order({2, 1, 0}));
  std::optional<Batch> batch = stream.Next();
  ASSERT_TRUE(batch.has_value());
  EXPECT_TRUE(batch->targets.equal(at::tensor({0.2F, 12.0F, 0.1F, 11.0F}).view({2, 2})));
  EXPECT_TRUE(batch->weights.equal(at::tensor({2.0F, 0.0F})));
  EXPECT_TRUE(batch->labels.equal(at::zeros({2}, at::kLong)));
  batch = stream.Next();
  ASSERT_TRUE(batch.has_value());
  EXPECT_TRUE(batch->targets.equal(at::tensor({0.0F, 10.0F}).view({1, 2})));
  EXPECT_EQ(batch->weights.size(0), 1);
  EXPECT_FALSE(stream.Next().has_value());
}

TEST(BatchStreamTest, HasNoTargetsAndWeightsWhereTheSetHasNone) {
  const MemoryDataset set = MemoryDataset::Images(3, 8, 3);
  const BatchSource source(set, 8, {{0, 0, 0}, {1, 1, 1}}, c10::Device(c10::kCPU));
  BatchStream stream(source, Order({0, 1, 2}));
  const std::optional<Batch> batch = stream.Next();
  ASSERT_TRUE(batch.has_value());
  EXPECT_FALSE(batch->targets.defined());
  EXPECT_FALSE(batch->weights.defined());
  EXPECT_TRUE(batch->labels.equal(at::tensor({0, 1}, at::kLong)));
}

TEST(BatchStreamTest, EndsAtADamagedSampleAndSaysSo) {
  MemoryDataset set = MemoryDataset::Images(6, 8, 3);
  set.SetDamaged(5);
  const BatchSource source(set, 8, {{0, 0, 0}, {1, 1, 1}}, c10::Device(c10::kCPU));
  BatchStream damaged(source, Order({0, 1, 2, 3, 4, 5}));
  EXPECT_TRUE(damaged.Next().has_value());
  EXPECT_TRUE(damaged.Next().has_value());
  EXPECT_FALSE(damaged.Next().has_value());
  EXPECT_EQ(damaged.status().code(), absl::StatusCode::kDataLoss);
  BatchStream whole(source, Order({0, 1, 2, 3}));
  while (whole.Next()) continue;
  EXPECT_TRUE(whole.status().ok()) << whole.status();
}

TEST(BatchStreamTest, NothingIsNormalisedByADamagedSample) {
  MemoryDataset set = MemoryDataset::Images(200, 8, 3);
  set.SetDamaged(set.train().back());
  EXPECT_EQ(MakeNormalisation({.size = 8}, set).status().code(), absl::StatusCode::kDataLoss);
  set.SetDamaged(set.test().front());
  EXPECT_TRUE(MakeNormalisation({.size = 8}, set).ok());
}

}  // namespace
}  // namespace skytrain::training
