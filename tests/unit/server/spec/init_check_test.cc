#include "server/spec/init_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"
#include "server/spec/check.h"
#include "server/spec/model_check.h"

namespace skytrain::spec {
namespace {

using testing::HasSubstr;

v1::Experiment Trained() {
  v1::Experiment e;
  e.mutable_data()->set_dataset("gz2.tar");
  e.mutable_data()->mutable_image()->set_size(64);
  e.mutable_data()->mutable_image()->set_center_crop(0.5);
  e.mutable_data()->mutable_image()->mutable_normalize()->mutable_imagenet();
  e.mutable_task()->mutable_classification();
  e.mutable_model()->mutable_resnet()->set_depth(34);
  e.mutable_train()->set_epochs(3);
  return e;
}

v1::Model From() {
  v1::Model model;
  model.set_name("models/gz2/versions/3");
  model.set_family("resnet34");
  for (const char* name : {"smooth", "spiral"}) model.add_classes(name);
  return model;
}

v1::Experiment Tuned() {
  v1::Experiment e;
  e.mutable_data()->set_dataset("rings");
  e.mutable_task()->mutable_classification();
  e.mutable_train()->set_epochs(3);
  e.mutable_init()->set_model("gz2@best");
  return e;
}

std::string ErrorOf(const absl::Status& status) {
  EXPECT_EQ(ReasonOf(status), "INVALID_EXPERIMENT") << status;
  std::string all(status.message());
  for (const FieldViolation& violation : ViolationsOf(status)) {
    all += "|" + violation.field + ": " + violation.description;
  }
  return all;
}

TEST(CompleteFromModel, NetworkAndViewAreThoseOfTheModelUnlessGiven) {
  v1::Experiment e = Tuned();
  ASSERT_TRUE(CompleteFromModel(From(), Trained(), e).ok());
  EXPECT_EQ(e.init().model(), "models/gz2/versions/3");
  EXPECT_EQ(e.model().resnet().depth(), 34);
  EXPECT_EQ(e.data().image().center_crop(), 0.5);
  const auto plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->view.normalize, ViewPlan::Normalize::kModel);
  EXPECT_EQ(plan->init->layer_decay, 1.0);

  v1::Experiment own = Tuned();
  own.mutable_data()->mutable_image()->set_size(96);
  own.mutable_data()->mutable_image()->mutable_normalize()->mutable_dataset();
  ASSERT_TRUE(CompleteFromModel(From(), Trained(), own).ok());
  EXPECT_EQ(own.data().image().size(), 96);
  EXPECT_EQ(MakePlan(own)->view.normalize, ViewPlan::Normalize::kDataset);
}

TEST(CompleteFromModel, AnotherFamilyOrKindOfInputIsRefused) {
  v1::Experiment e = Tuned();
  e.mutable_model()->mutable_resnet()->set_depth(18);
  EXPECT_THAT(ErrorOf(CompleteFromModel(From(), Trained(), e)),
              HasSubstr("model: is resnet18, but models/gz2/versions/3 is resnet34"));
  v1::Experiment table = Trained();
  table.mutable_data()->clear_image();
  table.mutable_model()->mutable_mlp();
  v1::Experiment images = Tuned();
  images.mutable_data()->mutable_image()->set_size(64);
  EXPECT_THAT(ErrorOf(CompleteFromModel(From(), table, images)),
              HasSubstr("data.image: is for images"));
}

TEST(PlanInit, StagesAndRatesAreChecked) {
  v1::Experiment e = Trained();
  e.mutable_init()->set_model("models/gz2/versions/3");
  e.mutable_init()->add_freeze("stem");
  e.mutable_init()->add_freeze("stage2");
  e.mutable_init()->set_layer_decay(0.7);
  const auto plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->init->freeze, (std::vector<int>{0, 2}));
  EXPECT_EQ(plan->init->layer_decay, 0.7);
  e.mutable_init()->add_freeze("stage5");
  EXPECT_THAT(ErrorOf(MakePlan(e).status()),
              HasSubstr("init.freeze[2]: must be one of stem, stage1, stage2, stage3, stage4 of "
                        "resnet34, not \"stage5\""));
  e.mutable_init()->clear_freeze();
  e.mutable_init()->set_layer_decay(1.5);
  EXPECT_THAT(ErrorOf(MakePlan(e).status()), HasSubstr("greater than 0 and at most 1, not 1.5"));
}

TEST(PlanInit, AModelIsRequired) {
  v1::Experiment e = Trained();
  e.mutable_init();
  EXPECT_THAT(ErrorOf(MakePlan(e).status()), HasSubstr("init.model: required"));
}

TEST(CheckHead, OnlyAHeadOfTheSameClassesCanBeKept) {
  v1::Init init;
  EXPECT_TRUE(CheckHead(init, From(), {"ring", "no_ring"}).ok());
  init.set_head(v1::Init::HEAD_KEEP);
  EXPECT_TRUE(CheckHead(init, From(), {"smooth", "spiral"}).ok());
  EXPECT_THAT(ErrorOf(CheckHead(init, From(), {"ring", "no_ring"})),
              HasSubstr("the classes are ring, no_ring, those of models/gz2/versions/3 smooth, "
                        "spiral. Say `head: new`"));
}

}  // namespace
}  // namespace skytrain::spec
