// Optimizers, averages and the search for a learning rate, as they are asked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "common/errors.h"
#include "server/spec/check.h"

namespace skytrain::spec {
namespace {

using ::testing::HasSubstr;

v1::Experiment Good() {
  v1::Experiment e;
  e.mutable_data()->set_dataset("galaxies.tar");
  e.mutable_data()->mutable_image()->set_size(64);
  e.mutable_task()->mutable_classification();
  e.mutable_model()->mutable_resnet();
  e.mutable_train()->set_epochs(3);
  return e;
}

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

struct Mistake {
  const char* name;
  std::function<void(v1::Experiment&)> make;
  const char* field;
  const char* says;
};

class EachTrainMistake : public testing::TestWithParam<Mistake> {};

TEST_P(EachTrainMistake, IsNamedWithItsFieldAndWhatIsAllowed) {
  v1::Experiment e = Good();
  GetParam().make(e);
  const auto violations = ViolationsOf(MakePlan(e).status());
  ASSERT_EQ(violations.size(), 1u) << MakePlan(e).status();
  EXPECT_EQ(violations[0].field, GetParam().field);
  EXPECT_THAT(violations[0].description, HasSubstr(GetParam().says));
}

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInf = std::numeric_limits<double>::infinity();

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
