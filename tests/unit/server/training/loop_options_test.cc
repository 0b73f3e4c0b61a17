// What train.micro_batch, train.early_stop and train.ema do to a run.
#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "run_fixture.h"
#include "server/training/optim/weight_average.h"

namespace skytrain::training {
namespace {

FileSystem& Posix() { return FileSystem::Posix(); }

spec::TrainingPlan TablePlan() {
  spec::TrainingPlan plan = SmallPlan();
  plan.model.family = spec::ModelPlan::Family::kMlp;
  plan.model.hidden = {8};
  plan.view.size = 0;
  plan.augment = {};
  plan.optimizer.kind = spec::OptimizerPlan::Kind::kSgd;
  return plan;
}

double LargestDifference(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, (a[i].tensor - b[i].tensor).abs().max().item<double>());
  }
  return largest;
}

// In the order in which files have them.
std::vector<NamedTensor> ByName(std::vector<NamedTensor> tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  return tensors;
}

TEST(MicroBatchTest, PartsAddUpToTheBatch) {
  const TempDir dir;
  MemoryDataset set = SmallTable();
  std::vector<float> weights;
  for (int i = 0; i < 120; ++i) weights.push_back(static_cast<float>(1 + i % 4));
  for (const bool weighted : {false, true}) {
    if (weighted) set.SetWeights(weights);
    spec::TrainingPlan plan = TablePlan();
    plan.task.class_weight_power = weighted ? 1.0 : 0.0;
    const Ran whole = RunTraining(Posix(), dir.File(absl::StrCat("a", weighted)), plan, set);
    ASSERT_TRUE(whole.status.ok()) << whole.status;
    plan.micro_batch = 4;
    const Ran parts = RunTraining(Posix(), dir.File(absl::StrCat("b", weighted)), plan, set);
    ASSERT_TRUE(parts.status.ok()) << parts.status;
    // The same sums in another order.
    EXPECT_LT(LargestDifference(whole.weights, parts.weights), 1e-6) << weighted;
    const auto& a = whole.metrics.at("train/loss");
    const auto& b = parts.metrics.at("train/loss");
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i].value, b[i].value, 1e-6) << i;
    EXPECT_EQ(whole.metrics.at("train/accuracy"), parts.metrics.at("train/accuracy"));
  }
}

TEST(EarlyStopTest, EndsWhenTheMetricHasNotGotBetterForSoLong) {
  const TempDir dir;
  const MemoryDataset set = SmallTable();
  spec::TrainingPlan plan = TablePlan();
  plan.epochs = 50;
  plan.optimizer.lr = 0.1;
  plan.early_stop = {3, 0.0};
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  ASSERT_EQ(ran.outcome.end, v1::COMPLETED) << ran.status;
  // The accuracy of 20 samples cannot rise for 50 epochs.
  const auto& curve = ran.metrics.at("val/accuracy");
  ASSERT_LT(curve.size(), 50);
  double best = -1;
  int gained = 0;
  for (const auto& point : curve) {
    if (point.value > best) {
      best = point.value;
      gained = point.epoch;
    }
  }
  EXPECT_EQ(curve.back().epoch, gained + 3);
  EXPECT_EQ(ran.outcome.message,
            absl::StrCat("stopped after epoch ", gained + 3,
                         " of 50: val/accuracy has not got better since epoch ", gained));
  // The newest checkpoint is of the end.
  EXPECT_EQ(ran.events[ran.events.size() - 3].checkpoint().epoch(), gained + 3);
}

TEST(EarlyStopTest, SmallGainsDoNotCount) {
  const TempDir dir;
  const MemoryDataset set = SmallTable();
  spec::TrainingPlan plan = TablePlan();
  plan.epochs = 30;
  plan.select_metric = "val/loss";
  plan.select_max = false;
  plan.early_stop = {2, 10.0};  // No loss falls by that much after the first epoch.
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  EXPECT_EQ(ran.metrics.at("val/loss").size(), 3);
}

TEST(EarlyStopTest, ResumedRunStopsWhereTheUnbrokenOneDoes) {
  const MemoryDataset set = SmallTable();
  spec::TrainingPlan plan = TablePlan();
  plan.epochs = 50;
  plan.optimizer.lr = 0.1;
  plan.early_stop = {3, 0.0};
  const TempDir dir;
  const Ran whole = RunTraining(Posix(), dir.File("whole"), plan, set);
  const int64_t last = whole.metrics.at("train/loss").back().step;
  for (const int64_t stop : {last / 2, last - 1, last}) {
    const std::string folder = dir.File(absl::StrCat("c", stop));
    const Ran first = RunTraining(Posix(), folder, plan, set, {.stop_at = stop});
    ASSERT_EQ(first.outcome.end, v1::STOPPED) << stop;
    const Ran second = RunTraining(Posix(), folder + "d", plan, set,
                                   {.resume_from = absl::StrCat(folder, "/step-", stop)});
    EXPECT_EQ(second.outcome.message, whole.outcome.message) << stop;
    ExpectSameWeights(second.weights, whole.weights, absl::StrCat(stop));
  }
}

TEST(EmaTest, FollowsTheWeightsAsItsFormulaSays) {
  const TempDir dir;
  const MemoryDataset set = SmallTable();
  spec::TrainingPlan plan = TablePlan();
  plan.epochs = 1;
  plan.optimizer.lr = 0.5;
  plan.checkpoint_every_steps = 1;
  plan.checkpoint_keep = 100;
  plan.ema_decay = 0.4;
  ASSERT_TRUE(RunTraining(Posix(), dir.File("c"), plan, set).status.ok());
  std::vector<double> average;
  for (int step = 1; step <= 5; ++step) {
    const auto saved = LoadCheckpoint(Posix(), dir.File(absl::StrCat("c/step-", step)));
    ASSERT_TRUE(saved.ok()) << saved.status();
    ASSERT_EQ(saved->average.size(), saved->model.size());
    const double model = saved->model[0].tensor.flatten()[0].item<double>();
    const double now = saved->average[0].tensor.flatten()[0].item<double>();
    if (step > 1) {
      const double d = std::min(0.4, (1.0 + step) / (10.0 + step));
      EXPECT_NEAR(now, d * average.back() + (1 - d) * model, 1e-6) << step;
      EXPECT_NE(now, model) << step;
    }
    average.push_back(now);
  }
}

TEST(EmaTest, AverageIsPublishedAndAResumedRunEndsWithTheSameBits) {
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SmallPlan();
  plan.ema_decay = 0.9;
  const TempDir dir;
  const Ran whole = RunTraining(Posix(), dir.File("whole"), plan, set);
  ASSERT_EQ(whole.outcome.end, v1::COMPLETED) << whole.status;
  const auto last = LoadCheckpoint(Posix(), dir.File("whole/step-18"));
  ASSERT_TRUE(last.ok()) << last.status();
  if (whole.outcome.step == 18) {
    ExpectSameWeights(ByName(whole.weights), ByName(last->average), "published");
  }
  EXPECT_GT(LargestDifference(ByName(whole.weights), ByName(last->model)), 1e-4);
  for (const int64_t stop : {4, 6, 13}) {
    const std::string folder = dir.File(absl::StrCat("c", stop));
    const Ran first = RunTraining(Posix(), folder, plan, set, {.stop_at = stop});
    ASSERT_EQ(first.outcome.end, v1::STOPPED) << stop;
    const Ran second = RunTraining(Posix(), folder + "d", plan, set,
                                   {.resume_from = absl::StrCat(folder, "/step-", stop)});
    ASSERT_EQ(second.outcome.end, v1::COMPLETED) << second.status;
    ExpectSameWeights(second.weights, whole.weights, absl::StrCat(stop));
  }
}

TEST(EmaTest, LentWeightsAreGivenBack) {
  const MemoryDataset set = SmallTable();
  const TempDir dir;
  spec::TrainingPlan plan = TablePlan();
  const Ran plain = RunTraining(Posix(), dir.File("a"), plan, set);
  plan.ema_decay = 0.99;
  ASSERT_TRUE(RunTraining(Posix(), dir.File("b"), plan, set).status.ok());
  // Averaging looks on: the trained weights are those of a run without it.
  const auto a = LoadCheckpoint(Posix(), dir.File("a/step-15"));
  const auto b = LoadCheckpoint(Posix(), dir.File("b/step-15"));
  ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
  ExpectSameWeights(a->model, b->model, "trained");
}

}  // namespace
}  // namespace skytrain::training
