#include "server/training/loop/trainer.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "run_fixture.h"
#include "tests/support/fault_injecting_file_system.h"

namespace skytrain::training {
namespace {

FileSystem& Posix() { return FileSystem::Posix(); }

TEST(TrainerTest, LearnsAndReportsEveryMetric) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SmallPlan();
  plan.epochs = 8;
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.outcome.end, v1::COMPLETED);
  ASSERT_EQ(ran.outcome.reports.size(), 2);
  EXPECT_EQ(ran.outcome.reports[0].split(), "validation");
  EXPECT_EQ(ran.outcome.reports[1].split(), "test");
  EXPECT_EQ(ran.outcome.reports[1].count(), 24);
  EXPECT_GT(ran.outcome.reports[1].accuracy(), 0.9);
  const size_t steps = 8 * 6;  // 102 samples, batch 16, the short batch dropped.
  EXPECT_EQ(ran.metrics.at("train/loss").size(), steps);
  EXPECT_EQ(ran.metrics.at("lr").size(), steps);
  EXPECT_EQ(ran.metrics.at("train/loss").back().step, static_cast<int64_t>(steps));
  for (const char* name : {"train/accuracy", "val/loss", "val/accuracy", "val/balanced_accuracy",
                           "val/recall/class0", "val/recall/class2", "images_per_second"}) {
    EXPECT_EQ(ran.metrics.at(name).size(), 8) << name;
  }
  EXPECT_EQ(ran.metrics.at("test/accuracy").size(), 1);
  EXPECT_EQ(ran.metrics.at("test/accuracy")[0].step, ran.outcome.step);
}

TEST(TrainerTest, ProgressNamesThePhases) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  const Ran ran = RunTraining(Posix(), dir.File("c"), SmallPlan(), set);
  std::vector<std::string> phases;
  for (const v1::Progress& progress : ran.progress) {
    if (phases.empty() || phases.back() != progress.phase()) phases.push_back(progress.phase());
  }
  EXPECT_EQ(phases, (std::vector<std::string>{"train", "validate", "train", "validate", "train",
                                              "validate", "test"}));
  EXPECT_EQ(ran.progress.back().done(), ran.progress.back().total());
}

// The rule of this product: a run that was broken off anywhere ends with the same bits.
TEST(TrainerTest, ResumedRunEndsWithTheBitsOfAnUnbrokenOne) {
  const MemoryDataset set = SmallImages();
  using Kind = spec::OptimizerPlan::Kind;
  for (const Kind kind : {Kind::kSgd, Kind::kAdamW}) {
    spec::TrainingPlan plan = SmallPlan();
    plan.optimizer.kind = kind;
    plan.optimizer.momentum = 0.9;
    plan.schedule.kind = spec::SchedulePlan::Kind::kOneCycle;
    const TempDir whole_dir;
    const Ran whole = RunTraining(Posix(), whole_dir.File("c"), plan, set);
    ASSERT_TRUE(whole.status.ok()) << whole.status;
    for (const int64_t stop : {1, 4, 6, 7, 12, 17, 18}) {
      const std::string what = absl::StrCat("stopped at ", stop);
      const TempDir dir;
      const Ran first = RunTraining(Posix(), dir.File("c"), plan, set, {.stop_at = stop});
      ASSERT_TRUE(first.status.ok()) << first.status;
      ASSERT_EQ(first.outcome.end, v1::STOPPED) << what;
      const Ran second = RunTraining(Posix(), dir.File("d"), plan, set,
                                     {.resume_from = dir.File(absl::StrCat("c/step-", stop))});
      ASSERT_TRUE(second.status.ok()) << second.status;
      EXPECT_EQ(second.outcome.end, v1::COMPLETED) << what;
      EXPECT_EQ(second.outcome.step, whole.outcome.step) << what;
      ExpectSameWeights(second.weights, whole.weights, what);
      for (const char* name : {"train/accuracy", "val/loss"}) {
        EXPECT_EQ(second.metrics.at(name).back(), whole.metrics.at(name).back()) << what << name;
      }
    }
  }
}

TEST(TrainerTest, MuonAndSharpnessAwareRunsLearnAndResumeBitForBit) {
  const MemoryDataset set = SmallImages();
  using Kind = spec::OptimizerPlan::Kind;
  const struct {
    Kind kind;
    double lr, sam_rho;
    bool adaptive;
  } cases[] = {{Kind::kMuon, 0.02, 0.0, false},
               {Kind::kAdamW, 0.01, 0.05, false},
               {Kind::kMuon, 0.02, 0.5, true}};
  for (const auto& test : cases) {
    for (const auto precision : {spec::Precision::kFp32, spec::Precision::kBf16}) {
      spec::TrainingPlan plan = SmallPlan();
      plan.epochs = 8;
      plan.precision = precision;
      plan.optimizer.kind = test.kind;
      plan.optimizer.lr = test.lr;
      plan.optimizer.momentum = 0.95;
      plan.optimizer.adamw_lr = 0.01;
      plan.optimizer.sam_rho = test.sam_rho;
      plan.optimizer.sam_adaptive = test.adaptive;
      const std::string what =
          absl::StrCat(test.lr, " rho ", test.sam_rho, " ", PrecisionName(precision));
      const TempDir dir;
      const Ran whole = RunTraining(Posix(), dir.File("whole"), plan, set);
      ASSERT_EQ(whole.outcome.end, v1::COMPLETED) << what << whole.status;
      EXPECT_GT(whole.outcome.reports[1].accuracy(), 0.9) << what;
      for (const int64_t stop : {8, 12}) {
        const std::string folder = dir.File(absl::StrCat("c", stop));
        const Ran first = RunTraining(Posix(), folder, plan, set, {.stop_at = stop});
        ASSERT_EQ(first.outcome.end, v1::STOPPED) << what;
        const Ran second = RunTraining(Posix(), folder + "d", plan, set,
                                       {.resume_from = absl::StrCat(folder, "/step-", stop)});
        ASSERT_EQ(second.outcome.end, v1::COMPLETED) << what << second.status;
        ExpectSameWeights(second.weights, whole.weights, what);
      }
    }
  }
}

// Masters, not their copies, are what a checkpoint has to hold.
TEST(TrainerTest, ResumedBf16RunEndsWithTheBitsOfAnUnbrokenOne) {
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SmallPlan();
  plan.precision = spec::Precision::kBf16;
  plan.clip_grad_norm = 1.0;
  const TempDir dir;
  const Ran whole = RunTraining(Posix(), dir.File("whole"), plan, set);
  ASSERT_TRUE(whole.status.ok()) << whole.status;
  for (const NamedTensor& named : whole.weights) {
    EXPECT_NE(named.tensor.scalar_type(), at::kBFloat16) << named.name;
  }
  const Ran first = RunTraining(Posix(), dir.File("c"), plan, set, {.stop_at = 7});
  ASSERT_EQ(first.outcome.end, v1::STOPPED);
  const Ran second =
      RunTraining(Posix(), dir.File("d"), plan, set, {.resume_from = dir.File("c/step-7")});
  EXPECT_EQ(second.outcome.end, v1::COMPLETED);
  ExpectSameWeights(second.weights, whole.weights, "bf16");
  plan.precision = spec::Precision::kFp32;
  plan.deterministic = true;
  const Ran other =
      RunTraining(Posix(), dir.File("e"), plan, set, {.resume_from = dir.File("c/step-7")});
  EXPECT_EQ(ReasonOf(other.status), "CHECKPOINT_CORRUPT") << "another precision is another run";
}

TEST(TrainerTest, Bf16FollowsFp32AndLearns) {
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SmallPlan();
  plan.epochs = 8;
  const TempDir dir;
  const Ran fp32 = RunTraining(Posix(), dir.File("c"), plan, set);
  plan.precision = spec::Precision::kBf16;
  const Ran bf16 = RunTraining(Posix(), dir.File("d"), plan, set);
  ASSERT_EQ(bf16.outcome.end, v1::COMPLETED) << bf16.status;
  EXPECT_GT(bf16.outcome.reports[1].accuracy(), 0.9);
  const double first = fp32.metrics.at("train/loss")[0].value;
  EXPECT_NE(bf16.metrics.at("train/loss")[0].value, first);
  EXPECT_NEAR(bf16.metrics.at("train/loss")[0].value, first, 0.01 * first);
}

TEST(TrainerTest, ResumedResnet18EndsWithTheBitsOfAnUnbrokenOne) {
  const MemoryDataset set = MemoryDataset::Images(18, 32, 2);
  spec::TrainingPlan plan = SmallPlan();
  plan.model = {};
  plan.model.dropout = 0.3;
  plan.view.size = 32;
  plan.batch_size = 4;
  plan.epochs = 2;
  const TempDir dir;
  const Ran whole = RunTraining(Posix(), dir.File("whole"), plan, set);
  ASSERT_TRUE(whole.status.ok()) << whole.status;
  const Ran first = RunTraining(Posix(), dir.File("c"), plan, set, {.stop_at = 4});
  ASSERT_EQ(first.outcome.end, v1::STOPPED);
  const Ran second =
      RunTraining(Posix(), dir.File("d"), plan, set, {.resume_from = dir.File("c/step-4")});
  EXPECT_EQ(second.outcome.end, v1::COMPLETED);
  ExpectSameWeights(second.weights, whole.weights, "resnet18");
}

TEST(TrainerTest, AskedForCheckpointIsWrittenInMidEpochAndTheRunGoesOn) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  const Ran ran = RunTraining(Posix(), dir.File("c"), SmallPlan(), set, {.checkpoint_at = 3});
  EXPECT_EQ(ran.outcome.end, v1::COMPLETED);
  ASSERT_FALSE(ran.events.empty());
  EXPECT_EQ(ran.events[0].checkpoint().step(), 3);
  EXPECT_EQ(ran.events[0].checkpoint().epoch(), 0);
}

TEST(TrainerTest, CheckpointsComeEverySoManySteps) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SmallPlan();
  plan.checkpoint_every_steps = 4;
  plan.checkpoint_every_epochs = 2;
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  std::vector<int64_t> steps;
  for (const v1::Event& event : ran.events) {
    if (event.has_checkpoint()) steps.push_back(event.checkpoint().step());
  }
  // 12 by both rules, once.
  EXPECT_EQ(steps, (std::vector<int64_t>{4, 8, 12, 16, 18}));
}

TEST(TrainerTest, NonFiniteLossEndsTheRunAndKeepsTheLastGoodCheckpoint) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SmallPlan();
  plan.checkpoint_every_steps = 1;
  plan.checkpoint_keep = 100;
  plan.optimizer.kind = spec::OptimizerPlan::Kind::kSgd;
  plan.optimizer.lr = 1e30;
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.outcome.end, v1::NON_FINITE_LOSS);
  for (const char* part :
       {"became", "learning rate 1e+30", "gradient norm", "last good checkpoint"}) {
    EXPECT_TRUE(absl::StrContains(ran.outcome.message, part)) << ran.outcome.message;
  }
  // Whatever is on the disk is whole and finite.
  const auto names = Posix().ListDir(dir.File("c"));
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const auto checkpoint = LoadCheckpoint(Posix(), dir.File("c/" + name));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_TRUE(AllFinite(checkpoint->model)) << name;
  }
}

TEST(TrainerTest, NonFiniteInputIsFoundAtTheFirstStep) {
  const TempDir dir;
  std::vector<float> features(96, 1.0F);
  std::vector<int> labels;
  for (int i = 0; i < 48; ++i) {
    labels.push_back(i % 2);
    features[2 * i] = static_cast<float>(i % 2);
  }
  features[0] = std::numeric_limits<float>::quiet_NaN();
  const MemoryDataset set = MemoryDataset::Table(features, 2, labels, 2);
  spec::TrainingPlan plan = SmallPlan();
  plan.model.family = spec::ModelPlan::Family::kMlp;
  plan.view.size = 0;
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  EXPECT_EQ(ran.outcome.end, v1::NON_FINITE_LOSS);
  EXPECT_TRUE(absl::StrContains(ran.outcome.message, "the training loss became NaN at step 1"))
      << ran.outcome.message;
  EXPECT_TRUE(absl::StrContains(ran.outcome.message, "checkpoint: none")) << ran.outcome.message;
}

TEST(TrainerTest, TablesTrainWithBalancedWeightsClippingAndLossSelection) {
  const TempDir dir;
  std::vector<float> features;
  std::vector<int> labels;
  for (int i = 0; i < 120; ++i) {
    labels.push_back(i % 5 == 0);
    features.push_back(static_cast<float>(i % 5 == 0 ? 1000 + i : 1500 + i));
    features.push_back(7.0F);
  }
  const MemoryDataset set = MemoryDataset::Table(features, 2, labels, 2);
  spec::TrainingPlan plan = SmallPlan();
  plan.model.family = spec::ModelPlan::Family::kMlp;
  plan.model.hidden = {8};
  plan.view.size = 0;
  plan.epochs = 20;
  plan.task.class_weight_power = 1.0;
  plan.clip_grad_norm = 1.0;
  plan.select_metric = "val/loss";
  plan.select_max = false;
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set);
  ASSERT_EQ(ran.outcome.end, v1::COMPLETED) << ran.status;
  EXPECT_GT(ran.outcome.reports[1].balanced_accuracy(), 0.95);
}

TEST(TrainerTest, DataThatDoesNotFitThePlanIsRefused) {
  const TempDir dir;
  const MemoryDataset images = SmallImages();
  const MemoryDataset table = MemoryDataset::Table({1, 2, 3, 4, 5, 6}, 1, {0, 1, 0, 1, 0, 1}, 2);
  spec::TrainingPlan large_batch = SmallPlan();
  large_batch.batch_size = 103;
  spec::TrainingPlan large_image = SmallPlan();
  large_image.view.size = 17;
  const struct {
    const data::Dataset& set;
    const spec::TrainingPlan& plan;
  } cases[] = {{images, large_batch}, {images, large_image}, {table, large_image}};
  for (const auto& test : cases) {
    const Ran ran = RunTraining(Posix(), dir.File("c"), test.plan, test.set);
    EXPECT_EQ(ReasonOf(ran.status), "DATA_INVALID") << ran.status;
  }
}

TEST(TrainerTest, CheckpointOfAnotherModelIsRefused) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  spec::TrainingPlan plan = SmallPlan();
  plan.epochs = 1;
  ASSERT_TRUE(RunTraining(Posix(), dir.File("c"), plan, set).status.ok());
  plan.model.width = 5;
  const Ran other =
      RunTraining(Posix(), dir.File("d"), plan, set, {.resume_from = dir.File("c/step-6")});
  EXPECT_EQ(ReasonOf(other.status), "CHECKPOINT_CORRUPT");
  plan.model.width = 4;
  plan.seed = 6;
  const Ran reseeded =
      RunTraining(Posix(), dir.File("d"), plan, set, {.resume_from = dir.File("c/step-6")});
  EXPECT_EQ(ReasonOf(reseeded.status), "CHECKPOINT_CORRUPT");
}

TEST(TrainerTest, FullDiskEndsTheRunAndLeavesNoHalfCheckpoint) {
  const TempDir dir;
  const MemoryDataset set = SmallImages();
  FaultInjectingFileSystem fs;
  spec::TrainingPlan plan = SmallPlan();
  plan.checkpoint_every_steps = 3;
  fs.LimitDisk(60'000);
  const Ran ran = RunTraining(fs, dir.File("c"), plan, set);
  EXPECT_TRUE(absl::IsResourceExhausted(ran.status)) << ran.status;
  const auto names = Posix().ListDir(dir.File("c"));
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    EXPECT_TRUE(LoadCheckpoint(Posix(), dir.File("c/" + name)).ok()) << name;
  }
}

}  // namespace
}  // namespace skytrain::training
