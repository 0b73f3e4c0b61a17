#include "server/spec/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/errors.h"
#include "good_experiment.h"

namespace skytrain::spec {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

TEST(MakePlan, FillsInTheDefaultsOfTheProtosComments) {
  const auto plan = MakePlan(Good());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->name, "experiment");
  EXPECT_EQ(plan->model.Name(), "resnet18");
  EXPECT_EQ(plan->view.center_crop, 1.0);
  EXPECT_EQ(plan->view.normalize, ViewPlan::Normalize::kDataset);
  EXPECT_EQ(plan->optimizer.kind, OptimizerPlan::Kind::kAdamW);
  EXPECT_EQ(plan->optimizer.lr, 1e-3);
  EXPECT_EQ(plan->optimizer.weight_decay, 0.01);
  EXPECT_EQ(plan->schedule.kind, SchedulePlan::Kind::kConstant);
  EXPECT_EQ(plan->batch_size, 128);
  EXPECT_EQ(plan->seed, 0u);
  EXPECT_EQ(plan->select_metric, "val/accuracy");
  EXPECT_TRUE(plan->select_max);
  EXPECT_EQ(plan->checkpoint_every_epochs, 1);
  EXPECT_EQ(plan->checkpoint_keep, 2);
  EXPECT_EQ(plan->cpus, 2);
  EXPECT_EQ(plan->gpus, 0);
  EXPECT_EQ(plan->task.class_weight_power, 0.0);
}

TEST(MakePlan, ClassWeightsAreAPowerOfTheBalancedOnes) {
  v1::Experiment e = Good();
  v1::Classification& task = *e.mutable_task()->mutable_classification();
  task.set_class_weights(v1::Classification::CLASS_WEIGHTS_BALANCED);
  EXPECT_EQ(MakePlan(e)->task.class_weight_power, 1.0);
  task.set_class_weights(v1::Classification::CLASS_WEIGHTS_SQRT_BALANCED);
  EXPECT_EQ(MakePlan(e)->task.class_weight_power, 0.5);
  task.set_class_weights(static_cast<v1::Classification::ClassWeights>(9));
  EXPECT_THAT(ViolationsOf(MakePlan(e).status()),
              Contains(Field(&FieldViolation::field, "task.classification.class_weights")));
}

TEST(MakePlan, LoopOptionsAreChecked) {
  v1::Experiment e = Good();
  e.mutable_train()->set_micro_batch(48);
  e.mutable_train()->mutable_early_stop()->set_min_delta(-1);
  e.mutable_train()->mutable_ema()->set_decay(1);
  const std::vector<FieldViolation> found = ViolationsOf(MakePlan(e).status());
  for (const char* field : {"train.micro_batch", "train.early_stop.patience",
                            "train.early_stop.min_delta", "train.ema.decay"}) {
    EXPECT_THAT(found, Contains(Field(&FieldViolation::field, field)));
  }
  e = Good();
  e.mutable_train()->set_micro_batch(32);
  e.mutable_train()->mutable_early_stop()->set_patience(4);
  e.mutable_train()->mutable_ema();
  const auto plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->micro_batch, 32);
  EXPECT_EQ(plan->early_stop.patience, 4);
  EXPECT_EQ(plan->ema_decay, 0.999);
}

TEST(MakePlan, KeepsAnExplicitWeightDecayOfZero) {
  v1::Experiment e = Good();
  e.mutable_optimizer()->mutable_adamw()->set_weight_decay(0);
  EXPECT_EQ(MakePlan(e)->optimizer.weight_decay, 0);
}

TEST(MakePlan, LayersThatDropHaveTheDefaultsOfTheirPapers) {
  v1::Experiment e = Good();
  e.mutable_model()->mutable_convnext();
  EXPECT_EQ(MakePlan(e)->model.Name(), "convnext_tiny");
  EXPECT_EQ(MakePlan(e)->model.stochastic_depth, 0.1);
  e.mutable_model()->mutable_efficientnet();
  EXPECT_EQ(MakePlan(e)->model.dropout, 0.2);
  EXPECT_EQ(MakePlan(e)->model.stochastic_depth, 0.2);
  e.mutable_model()->mutable_efficientnet()->set_dropout(0);
  EXPECT_EQ(MakePlan(e)->model.dropout, 0);
  e.mutable_model()->mutable_wide_resnet();
  EXPECT_EQ(MakePlan(e)->model.Name(), "wide_resnet28_4");
  e.mutable_model()->mutable_vit();
  EXPECT_EQ(MakePlan(e)->model.Name(), "vit_small_16");
}

TEST(MakePlan, SgdHasItsOwnDefaults) {
  v1::Experiment e = Good();
  e.mutable_optimizer()->mutable_sgd();
  const auto plan = MakePlan(e);
  EXPECT_EQ(plan->optimizer.lr, 0.1);
  EXPECT_EQ(plan->optimizer.momentum, 0);
  EXPECT_EQ(plan->optimizer.weight_decay, 0);
}

TEST(MakePlan, SelectingByLossMinimises) {
  v1::Experiment e = Good();
  e.mutable_train()->mutable_select()->set_metric("val/loss");
  EXPECT_FALSE(MakePlan(e)->select_max);
}

TEST(MakePlan, GpusTakeNoCpuSlots) {
  v1::Experiment e = Good();
  e.mutable_resources()->set_gpus(1);
  EXPECT_EQ(MakePlan(e)->gpus, 1);
  EXPECT_EQ(MakePlan(e)->cpus, 0);
}

TEST(MakePlan, ReportsAllMistakesAtOnce) {
  v1::Experiment e;
  e.set_name("Galaxies!");
  e.mutable_train()->set_epochs(-3);
  e.mutable_optimizer()->mutable_adamw()->set_lr(-1);
  e.mutable_resources()->set_gpus(1);
  e.mutable_resources()->set_cpus(1);
  const absl::Status status = MakePlan(e).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "INVALID_EXPERIMENT");
  std::vector<std::string> fields;
  for (const auto& violation : ViolationsOf(status)) fields.push_back(violation.field);
  EXPECT_THAT(fields, testing::UnorderedElementsAre("name", "data", "task", "model", "train.epochs",
                                                    "optimizer.adamw.lr", "resources"));
}

class EachMistake : public testing::TestWithParam<Mistake> {};

TEST_P(EachMistake, IsNamedWithItsFieldAndWhatIsAllowed) { ExpectNamed(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Experiments, EachMistake,
    testing::ValuesIn(std::vector<Mistake>{
        {"NameTooLong", [](auto& e) { e.set_name(std::string(41, 'a')); }, "name", "1 to 40"},
        {"NameWithHyphenAtEnd", [](auto& e) { e.set_name("a-"); }, "name", "a-z, 0-9"},
        {"NoEpochs", [](auto& e) { e.mutable_train()->clear_epochs(); }, "train.epochs",
         "required"},
        {"NegativeEpochs", [](auto& e) { e.mutable_train()->set_epochs(-3); }, "train.epochs",
         "between 1 and 1,000,000, not -3"},
        {"TooManyEpochs", [](auto& e) { e.mutable_train()->set_epochs(1000001); }, "train.epochs",
         "not 1,000,001"},
        {"BatchOfOne", [](auto& e) { e.mutable_train()->set_batch_size(1); }, "train.batch_size",
         "between 2"},
        {"NanClip", [](auto& e) { e.mutable_train()->set_clip_grad_norm(kNan); },
         "train.clip_grad_norm", "finite"},
        {"KeepNegative", [](auto& e) { e.mutable_train()->mutable_checkpoint()->set_keep(-1); },
         "train.checkpoint.keep", "between 1"},
        {"UnknownMetric",
         [](auto& e) { e.mutable_train()->mutable_select()->set_metric("val/acuracy"); },
         "train.select.metric", "did you mean val/accuracy?"},
        {"MetricOfTraining",
         [](auto& e) { e.mutable_train()->mutable_select()->set_metric("train/loss"); },
         "train.select.metric", "val/accuracy, val/balanced_accuracy, val/loss"},
        {"NegativeLr", [](auto& e) { e.mutable_optimizer()->mutable_sgd()->set_lr(-0.1); },
         "optimizer.sgd.lr", "greater than 0, not -0.1"},
        {"InfiniteLr", [](auto& e) { e.mutable_optimizer()->mutable_adam()->set_lr(kInf); },
         "optimizer.adam.lr", "finite"},
        {"NanLr", [](auto& e) { e.mutable_optimizer()->mutable_adamw()->set_lr(kNan); },
         "optimizer.adamw.lr", "finite"},
        {"NegativeWeightDecay",
         [](auto& e) { e.mutable_optimizer()->mutable_adamw()->set_weight_decay(-1); },
         "optimizer.adamw.weight_decay", "0 or greater"},
        {"MomentumOfOne", [](auto& e) { e.mutable_optimizer()->mutable_sgd()->set_momentum(1); },
         "optimizer.sgd.momentum", "less than 1"},
        {"NesterovWithoutMomentum",
         [](auto& e) { e.mutable_optimizer()->mutable_sgd()->set_nesterov(true); },
         "optimizer.sgd.nesterov", "momentum greater than 0"},
        {"WarmupLongerThanTheRun",
         [](auto& e) { e.mutable_schedule()->mutable_cosine()->set_warmup_epochs(4); },
         "schedule.cosine.warmup_epochs", "between 0 and train.epochs"},
        {"MinLrAboveLr", [](auto& e) { e.mutable_schedule()->mutable_cosine()->set_min_lr(1); },
         "schedule.cosine.min_lr", "between 0 and the optimizer's lr"},
        {"ResnetDepth", [](auto& e) { e.mutable_model()->mutable_resnet()->set_depth(20); },
         "model.resnet.depth", "18, 34, 50 or 101, not 20"},
        {"ResnetWidth", [](auto& e) { e.mutable_model()->mutable_resnet()->set_width(257); },
         "model.resnet.width", "between 1 and 256, not 257"},
        {"ResnetDropout", [](auto& e) { e.mutable_model()->mutable_resnet()->set_dropout(1); },
         "model.resnet.dropout", "at least 0 and less than 1, not 1"},
        {"WideResnetDepth",
         [](auto& e) { e.mutable_model()->mutable_wide_resnet()->set_depth(27); },
         "model.wide_resnet.depth", "6n + 4, from 10 to 64"},
        {"ConvnextDepth",
         [](auto& e) { e.mutable_model()->mutable_convnext()->set_stochastic_depth(-0.1); },
         "model.convnext.stochastic_depth", "not -0.1"},
        {"ConvnextSize",
         [](auto& e) {
           e.mutable_model()->mutable_convnext();
           e.mutable_data()->mutable_image()->set_size(24);
         },
         "data.image.size", "at least 32 for convnext_tiny"},
        {"EfficientnetDropout",
         [](auto& e) { e.mutable_model()->mutable_efficientnet()->set_dropout(1.5); },
         "model.efficientnet.dropout", "not 1.5"},
        {"VitPatch", [](auto& e) { e.mutable_model()->mutable_vit()->set_patch(24); },
         "model.vit.patch", "must divide data.image.size, which is 64, not 24"},
        {"VitPatches", [](auto& e) {
           e.mutable_model()->mutable_vit()->set_patch(1);
           e.mutable_data()->mutable_image()->set_size(128);
         }, "model.vit.patch", "at most 64 patches a side, not 128"},
        {"CnnWidth", [](auto& e) { e.mutable_model()->mutable_small_cnn()->set_width(513); },
         "model.small_cnn.width", "between 1 and 512"},
        {"MlpHidden", [](auto& e) { e.mutable_model()->mutable_mlp()->add_hidden(0); },
         "model.mlp.hidden[0]", "between 1"},
        {"NoImageSize", [](auto& e) { e.mutable_data()->mutable_image()->clear_size(); },
         "data.image.size", "required"},
        {"TinyImage", [](auto& e) { e.mutable_data()->mutable_image()->set_size(4); },
         "data.image.size", "between 8 and 1024, not 4"},
        {"ResnetWithoutImages", [](auto& e) { e.mutable_data()->clear_image(); }, "data.image",
         "resnet18 takes images"},
        {"CropTooLarge", [](auto& e) { e.mutable_data()->mutable_image()->set_center_crop(1.5); },
         "data.image.center_crop", "at most 1, not 1.5"},
        {"LowAboveHigh",
         [](auto& e) {
           auto* linear = e.mutable_data()->mutable_image()->mutable_stretch()->mutable_linear();
           linear->set_low(2);
           linear->set_high(1);
         },
         "data.image.stretch.linear", "low must be less than high, not 2 and 1"},
        {"BandTwice",
         [](auto& e) {
           e.mutable_data()->mutable_image()->mutable_stretch()->add_bands("r");
           e.mutable_data()->mutable_image()->mutable_stretch()->add_bands("r");
         },
         "data.image.stretch.bands", "\"r\" is empty or there twice"},
        {"NoSoftening",
         [](auto& e) {
           auto* stretch = e.mutable_data()->mutable_image()->mutable_stretch();
           stretch->mutable_asinh()->set_softening(-1);
         },
         "data.image.stretch.asinh.softening", "must be greater than 0, not -1"},
        {"CropNan", [](auto& e) { e.mutable_data()->mutable_image()->set_center_crop(kNan); },
         "data.image.center_crop", "greater than 0"},
        {"FractionOfOne",
         [](auto& e) { e.mutable_data()->mutable_splits()->mutable_test()->set_fraction(1); },
         "data.splits.test.fraction", "between 0 and 1"},
        {"FractionsTogether",
         [](auto& e) {
           e.mutable_data()->mutable_splits()->mutable_test()->set_fraction(0.6);
           e.mutable_data()->mutable_splits()->mutable_validation()->set_fraction(0.5);
         },
         "data.splits", "nothing is left to train on"},
        {"SplitTwice",
         [](auto& e) {
           e.mutable_data()->mutable_splits()->mutable_test()->set_named("val");
           e.mutable_data()->mutable_splits()->mutable_validation()->set_named("val");
         },
         "data.splits.test.named", "already the validation split"},
        {"EmptySplit", [](auto& e) { e.mutable_data()->mutable_splits()->mutable_test(); },
         "data.splits.test", "fraction, named"},
        {"FilesWithoutId",
         [](auto& e) {
           e.mutable_data()->mutable_files()->add_images("a");
           e.mutable_data()->mutable_files()->set_table("b");
         },
         "data.files.id", "required"},
        {"BothGpusAndCpus",
         [](auto& e) {
           e.mutable_resources()->set_gpus(1);
           e.mutable_resources()->set_cpus(2);
         },
         "resources", "not both"},
        {"NegativeGpus", [](auto& e) { e.mutable_resources()->set_gpus(-1); }, "resources.gpus",
         "between 0"},
        {"StallBelowASecond",
         [](auto& e) { e.mutable_limits()->mutable_stall()->set_nanos(1000); }, "limits.stall",
         "at least 1s"},
        {"LongLabel", [](auto& e) { e.mutable_labels()->insert({"k", std::string(64, 'v')}); },
         "labels.k", "at most 63"},
        {"ManyLabels",
         [](auto& e) {
           for (int i = 0; i < 65; ++i) e.mutable_labels()->insert({std::to_string(i), "v"});
         },
         "labels", "at most 64, not 65"}}),
    [](const auto& info) { return info.param.name; });

TEST(MakePlan, AugmentingATableIsAMistake) {
  v1::Experiment e = Good();
  e.mutable_model()->mutable_mlp();
  e.mutable_data()->clear_image();
  EXPECT_TRUE(MakePlan(e).ok()) << MakePlan(e).status();
  e.mutable_data()->mutable_augment()->set_flip(true);
  EXPECT_THAT(ViolationsOf(MakePlan(e).status()),
              Contains(Field(&FieldViolation::field, "data.augment")));
}

TEST(MakePlan, ControlCharactersOfTheUsersDoNotReachTheTerminal) {
  v1::Experiment e = Good();
  e.set_name("\x1b[31mred");
  EXPECT_THAT(std::string(MakePlan(e).status().message()), testing::Not(HasSubstr("\x1b")));
}

TEST(CheckEvaluation, WantsAModelAndASourceAndNothingThatTheCardSays) {
  v1::Evaluation evaluation;
  evaluation.mutable_data()->mutable_image()->set_size(64);
  evaluation.mutable_data()->mutable_splits();
  std::vector<std::string> fields;
  for (const auto& violation : ViolationsOf(CheckEvaluation(evaluation))) {
    fields.push_back(violation.field);
  }
  EXPECT_THAT(fields, testing::UnorderedElementsAre("model", "data", "data.image", "data.splits"));
  v1::Evaluation good;
  good.set_model("models/galaxies-resnet18/versions/1");
  good.mutable_data()->set_dataset("a.tar");
  EXPECT_TRUE(CheckEvaluation(good).ok()) << CheckEvaluation(good);
}

}  // namespace
}  // namespace skytrain::spec
