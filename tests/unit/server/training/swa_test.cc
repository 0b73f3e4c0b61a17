// The mean of the weights at the ends of the last epochs: train.swa.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "run_fixture.h"
#include "server/training/loop/norm_statistics.h"
#include "server/training/models/layers.h"

namespace skytrain::training {
namespace {

FileSystem& Posix() { return FileSystem::Posix(); }

// Four epochs of six steps; the last two go into the mean.
spec::TrainingPlan SwaPlan() {
  spec::TrainingPlan plan = SmallPlan();
  plan.epochs = 4;
  plan.swa = {0.5, 0.0};
  plan.checkpoint_keep = 100;
  return plan;
}

at::Tensor Named(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const NamedTensor& named : tensors) {
    if (named.name == name) return named.tensor;
  }
  ADD_FAILURE() << "no " << name;
  return at::zeros({1});
}

TEST(SwaTest, EpochsBeforeTheMean) {
  EXPECT_EQ(EpochsBeforeMean(0.75, 4), 3);
  EXPECT_EQ(EpochsBeforeMean(0.75, 10), 7);
  EXPECT_EQ(EpochsBeforeMean(0.7, 10), 7);
  EXPECT_EQ(EpochsBeforeMean(0.9999, 10), 9);
  EXPECT_EQ(EpochsBeforeMean(0.01, 10), 0);
  EXPECT_EQ(EpochsBeforeMean(0.5, 1), 0);
}

TEST(SwaTest, PublishesTheMeanOfTheLastEpochsWithStatisticsOfItsOwn) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  const Ran ran = RunTraining(Posix(), dir.File("c"), SwaPlan(), set);
  ASSERT_EQ(ran.outcome.end, v1::COMPLETED) << ran.status;
  std::vector<Checkpoint> ends;
  for (const int step : {12, 18, 24}) {
    auto checkpoint = LoadCheckpoint(Posix(), dir.File(absl::StrCat("c/step-", step)));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    ends.push_back(*std::move(checkpoint));
  }
  EXPECT_TRUE(ends[0].average.empty());
  EXPECT_EQ(ends[2].state.averaged_epochs, 2);
  for (const NamedTensor& named : ends[2].average) {
    if (!named.tensor.is_floating_point()) continue;
    const at::Tensor first = Named(ends[1].model, named.name);
    const at::Tensor second = Named(ends[2].model, named.name);
    if (absl::StrContains(named.name, "running")) {
      EXPECT_FALSE(named.tensor.equal(second)) << named.name;
    } else {
      EXPECT_TRUE(named.tensor.allclose((first + second) / 2, 1e-5, 1e-6)) << named.name;
      // After one epoch the mean is that epoch.
      EXPECT_TRUE(Named(ends[1].average, named.name).equal(first)) << named.name;
    }
  }
  // Whichever epoch was better: a mean is what is published.
  EXPECT_GE(ran.outcome.epoch, 3);
  const Checkpoint& published = ends[ran.outcome.epoch - 2];
  for (const NamedTensor& named : published.average) {
    EXPECT_TRUE(Named(ran.weights, named.name).equal(named.tensor)) << named.name;
  }
  EXPECT_GT(ran.outcome.reports[1].accuracy(), 0.8);
}

TEST(SwaTest, EarlierEpochsAreNotPublishedHoweverGoodTheyWere) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SwaPlan();
  plan.select_metric = "val/loss";
  plan.select_max = false;
  plan.swa->lr = 3.0;  // Spoils the weights.
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  ASSERT_EQ(ran.outcome.end, v1::COMPLETED) << ran.status;
  EXPECT_GE(ran.outcome.epoch, 3);
  const auto& rates = ran.metrics.at("lr");
  ASSERT_EQ(rates.size(), 24);
  EXPECT_EQ(rates[11].value, 0.01);
  EXPECT_EQ(rates[12].value, 3.0);
  EXPECT_EQ(rates[23].value, 3.0);
}

TEST(SwaTest, LooksOnWithoutChangingTheTraining) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SwaPlan();
  ASSERT_TRUE(RunTraining(Posix(), dir.File("a"), plan, set).status.ok());
  plan.swa.reset();
  ASSERT_TRUE(RunTraining(Posix(), dir.File("b"), plan, set).status.ok());
  const auto a = LoadCheckpoint(Posix(), dir.File("a/step-24"));
  const auto b = LoadCheckpoint(Posix(), dir.File("b/step-24"));
  ASSERT_TRUE(a.ok() && b.ok());
  ExpectSameWeights(a->model, b->model, "counters and statistics too");
}

TEST(SwaTest, ResumedRunEndsWithTheBitsOfAnUnbrokenOne) {
  const MemoryDataset set = SmallImages();
  for (const auto precision : {spec::Precision::kFp32, spec::Precision::kBf16}) {
    spec::TrainingPlan plan = SwaPlan();
    plan.precision = precision;
    plan.swa->lr = 0.02;
    plan.mixup = 0.2;
    plan.micro_batch = 8;
    const TempDir dir;
    const Ran whole = RunTraining(Posix(), dir.File("whole"), plan, set);
    ASSERT_EQ(whole.outcome.end, v1::COMPLETED) << whole.status;
    std::vector<Script> scripts;
    for (const int64_t stop : {7, 12, 14, 18, 20, 24}) scripts.push_back({.stop_at = stop});
    // Within an epoch's end: its weights are in the mean already, or what they are worth is not
    // known yet.
    for (const char* phase : {"statistics", "validate"}) {
      for (const int epoch : {3, 4}) {
        scripts.push_back({.stop_phase = phase, .stop_epoch = epoch});
      }
    }
    int number = 0;
    for (const Script& script : scripts) {
      const std::string what = absl::StrCat(script.stop_at, script.stop_phase, script.stop_epoch);
      const std::string folder = dir.File(absl::StrCat("c", number++));
      const Ran first = RunTraining(Posix(), folder, plan, set, script);
      ASSERT_EQ(first.outcome.end, v1::STOPPED) << what << first.status;
      const auto newest = FindNewestCheckpoint(Posix(), folder);
      ASSERT_TRUE(newest.ok()) << newest.status();
      const Ran second =
          RunTraining(Posix(), folder + "d", plan, set, {.resume_from = newest->path});
      ASSERT_EQ(second.outcome.end, v1::COMPLETED) << what << second.status;
      EXPECT_EQ(second.outcome.step, whole.outcome.step) << what;
      ExpectSameWeights(second.weights, whole.weights, what);
      EXPECT_EQ(second.metrics.at("val/loss").back(), whole.metrics.at("val/loss").back()) << what;
    }
  }
}

TEST(SwaTest, NetworksWithoutBatchNormHaveNoStatistics) {
  const TempDir dir;
  std::vector<float> features;
  std::vector<int> labels;
  for (int i = 0; i < 96; ++i) {
    labels.push_back(i % 2);
    features.push_back(static_cast<float>(i % 2) + static_cast<float>(std::sin(i)) / 4);
  }
  const MemoryDataset set = MemoryDataset::Table(features, 1, labels, 2);
  spec::TrainingPlan plan = SwaPlan();
  plan.model.family = spec::ModelPlan::Family::kMlp;
  plan.model.hidden = {8};
  plan.view.size = 0;
  plan.augment = {};
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  ASSERT_EQ(ran.outcome.end, v1::COMPLETED) << ran.status;
  EXPECT_TRUE(std::none_of(ran.progress.begin(), ran.progress.end(),
                           [](const v1::Progress& p) { return p.phase() == "statistics"; }));
}

// A norm over the images themselves, and one of a stage that is frozen.
class TwoNorms final : public Model {
 public:
  TwoNorms() {
    frozen_ = BatchNorm2d::Make(*this, "frozen", 3);
    BeginStage(1);
    norm_ = BatchNorm2d::Make(*this, "norm", 3);
    Freeze(0);
    Prepare(c10::Device(c10::kCPU));
    frozen_.running_mean.fill_(0.25);
  }
  at::Tensor Logits(const at::Tensor& features) override { return features; }
  at::Tensor Features(const at::Tensor& input) override {
    return norm_(input + 0.0 * frozen_(input, training(0)), training(1)).mean({2, 3});
  }

 private:
  BatchNorm2d frozen_, norm_;
};

TEST(NormStatisticsTest, AreMeansOverTheBatchesAndLeaveAllElseAlone) {
  const MemoryDataset set = MemoryDataset::Images(64, 8, 2);
  const BatchSource source(set, 8,
                           *MakeNormalisation({1.0, 8, spec::ViewPlan::Normalize::kNone}, set),
                           c10::Device(c10::kCPU));
  TwoNorms model;
  BatchOrder order;
  order.samples = set.train();
  order.samples.resize(40);
  order.batch_size = 8;
  RunControl control;
  RecordingSink sink;
  ProgressMeter meter(sink, Clock::Real(), 1, 0);
  at::Tensor mean = at::zeros({3}), variance = at::zeros({3});
  BatchStream stream(source, order);
  while (const auto batch = stream.Next()) {
    mean += batch->input.mean(at::IntArrayRef({0, 2, 3})) / 5;
    variance += batch->input.transpose(0, 1).reshape({3, -1}).var(1, /*unbiased=*/true) / 5;
  }
  model.SetTraining(true);
  ASSERT_TRUE(RecomputeStatistics(model, source, order, 1, control, meter).ok());
  const std::vector<NamedTensor> found = model.State();
  EXPECT_TRUE(Named(found, "norm.running_mean").allclose(mean, 1e-4, 1e-5));
  EXPECT_TRUE(Named(found, "norm.running_var").allclose(variance, 1e-4, 1e-5));
  EXPECT_TRUE(Named(found, "frozen.running_mean").equal(at::full({3}, 0.25)));
  EXPECT_EQ(Named(found, "norm.num_batches_tracked").item<int64_t>(), 0);
  EXPECT_TRUE(model.training());
  control.stop = true;
  const at::Tensor kept = Named(found, "norm.running_mean").clone();
  EXPECT_TRUE(absl::IsCancelled(RecomputeStatistics(model, source, order, 1, control, meter)));
  EXPECT_TRUE(Named(found, "norm.running_mean").equal(kept));
}

}  // namespace
}  // namespace skytrain::training
