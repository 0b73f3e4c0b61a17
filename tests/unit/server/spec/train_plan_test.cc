// Optimizers, averages and the search for a learning rate, as they are asked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "good_experiment.h"

namespace skytrain::spec {
namespace {

TEST(TrainPlan, MuonAndSamHaveTheDefaultsOfTheirPapers) {
  v1::Experiment e = Good();
  e.mutable_optimizer()->mutable_muon();
  e.mutable_optimizer()->mutable_sam();
  auto plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->optimizer.kind, OptimizerPlan::Kind::kMuon);
  EXPECT_EQ(plan->optimizer.lr, 0.02);
  EXPECT_EQ(plan->optimizer.momentum, 0.95);
  EXPECT_EQ(plan->optimizer.weight_decay, 0.01);
  EXPECT_EQ(plan->optimizer.adamw_lr, 1e-3);
  EXPECT_EQ(plan->optimizer.sam_rho, 0.05);
  EXPECT_FALSE(plan->optimizer.sam_adaptive);
  e.mutable_optimizer()->mutable_muon()->set_momentum(0);
  e.mutable_optimizer()->mutable_muon()->set_weight_decay(0);
  e.mutable_optimizer()->mutable_sam()->set_adaptive(true);
  plan = MakePlan(e);
  EXPECT_EQ(plan->optimizer.momentum, 0);
  EXPECT_EQ(plan->optimizer.weight_decay, 0);
  EXPECT_TRUE(plan->optimizer.sam_adaptive);
  EXPECT_EQ(MakePlan(Good())->optimizer.sam_rho, 0);
}

TEST(TrainPlan, SwaHasDefaults) {
  EXPECT_FALSE(MakePlan(Good())->swa.has_value());
  v1::Experiment e = Good();
  e.mutable_train()->mutable_swa();
  const auto plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->swa->start, 0.75);
  EXPECT_EQ(plan->swa->lr, 0);
}

TEST(TrainPlan, LookingForALearningRateNeedsNoEpochs) {
  v1::Experiment e = Good();
  e.mutable_train()->clear_epochs();
  e.mutable_train()->mutable_find_lr();
  e.mutable_schedule()->mutable_cosine()->set_warmup_epochs(5);
  auto plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->find_lr->min, 1e-7);
  EXPECT_EQ(plan->find_lr->max, 10);
  EXPECT_EQ(plan->find_lr->steps, 100);
  // The file of a training is taken as it is.
  e.mutable_train()->set_epochs(30);
  e.mutable_train()->mutable_ema();
  EXPECT_TRUE(MakePlan(e).ok()) << MakePlan(e).status();
  EXPECT_FALSE(MakePlan(Good())->find_lr.has_value());
}

class EachTrainMistake : public testing::TestWithParam<Mistake> {};

TEST_P(EachTrainMistake, IsNamedWithItsFieldAndWhatIsAllowed) { ExpectNamed(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Experiments, EachTrainMistake,
    testing::ValuesIn(std::vector<Mistake>{
        {"NegativeMuonLr", [](auto& e) { e.mutable_optimizer()->mutable_muon()->set_lr(-1); },
         "optimizer.muon.lr", "greater than 0, not -1"},
        {"InfiniteMuonAdamWLr",
         [](auto& e) { e.mutable_optimizer()->mutable_muon()->set_adamw_lr(kInf); },
         "optimizer.muon.adamw_lr", "finite"},
        {"MuonMomentumOfOne",
         [](auto& e) { e.mutable_optimizer()->mutable_muon()->set_momentum(1); },
         "optimizer.muon.momentum", "less than 1"},
        {"NegativeMuonWeightDecay",
         [](auto& e) { e.mutable_optimizer()->mutable_muon()->set_weight_decay(-0.1); },
         "optimizer.muon.weight_decay", "0 or greater"},
        {"MuonWithoutHiddenMatrices",
         [](auto& e) {
           e.mutable_optimizer()->mutable_muon();
           e.mutable_model()->mutable_mlp()->add_hidden(8);
         },
         "optimizer.muon", "model.mlp.hidden names 1: give it 2 or more, or take adamw"},
        {"NegativeRho", [](auto& e) { e.mutable_optimizer()->mutable_sam()->set_rho(-0.05); },
         "optimizer.sam.rho", "greater than 0, not -0.05"},
        {"NanRho", [](auto& e) { e.mutable_optimizer()->mutable_sam()->set_rho(kNan); },
         "optimizer.sam.rho", "finite"},
        {"SwaFromTheEnd", [](auto& e) { e.mutable_train()->mutable_swa()->set_start(1); },
         "train.swa.start", "between 0 and 1, both excluded, not 1"},
        {"NegativeSwaLr", [](auto& e) { e.mutable_train()->mutable_swa()->set_lr(-1); },
         "train.swa.lr", "0 or greater"},
        {"SwaAndEma",
         [](auto& e) {
           e.mutable_train()->mutable_swa();
           e.mutable_train()->mutable_ema();
         },
         "train.swa", "train.ema: take one of the two"},
        {"FindLrFromBelowZero", [](auto& e) { e.mutable_train()->mutable_find_lr()->set_min(-1); },
         "train.find_lr.min", "greater than 0, not -1"},
        {"FindLrUpsideDown", [](auto& e) { e.mutable_train()->mutable_find_lr()->set_min(20); },
         "train.find_lr.max", "greater than min, 20, not 10"},
        {"FindLrInfinite", [](auto& e) { e.mutable_train()->mutable_find_lr()->set_max(kInf); },
         "train.find_lr.max", "finite"},
        {"FindLrOfNineSteps", [](auto& e) { e.mutable_train()->mutable_find_lr()->set_steps(9); },
         "train.find_lr.steps", "between 10 and 100,000, not 9"}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace skytrain::spec
