#include "server/spec/augment_plan.h"

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "good_experiment.h"

namespace skytrain::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void AddPair(v1::Augment& augment, const std::vector<std::string>& names) {
  augment.add_flip_swaps_classes()->mutable_names()->Assign(names.begin(), names.end());
}

TEST(PlanAugment, TakesWhatTheExperimentSays) {
  v1::Experiment e = Good();
  v1::Augment& augment = *e.mutable_data()->mutable_augment();
  augment.set_flip(true);
  augment.mutable_rotate()->set_degrees(180);
  augment.add_scale(0.5);
  augment.add_scale(1.25);
  augment.set_translate(0.1);
  augment.set_cutout(0.25);
  AddPair(augment, {"clockwise", "anticlockwise"});
  const auto plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->augment.flip);
  EXPECT_EQ(plan->augment.rotate_degrees, 180);
  EXPECT_EQ(plan->augment.scale_low, 0.5);
  EXPECT_EQ(plan->augment.scale_high, 1.25);
  EXPECT_EQ(plan->augment.translate, 0.1);
  EXPECT_EQ(plan->augment.cutout, 0.25);
  EXPECT_EQ(plan->augment.noise, 0);
  EXPECT_EQ(plan->augment.flip_swaps_classes[0].second, "anticlockwise");
}

TEST(PlanAugment, TellsWhatIsWrongByField) {
  const struct {
    const char* field;
    const char* text;
    std::function<void(v1::Experiment&, v1::Augment&)> spoil;
  } cases[] = {
      {"data.augment.rotate.degrees", "at most 180, not 181",
       [](auto&, auto& a) { a.mutable_rotate()->set_degrees(181); }},
      {"data.augment.rotate.degrees", "required", [](auto&, auto& a) { a.mutable_rotate(); }},
      {"data.augment.scale", "two numbers", [](auto&, auto& a) { a.add_scale(1); }},
      {"data.augment.scale", "0.25 <= low <= high <= 4, not [2, 1]",
       [](auto&, auto& a) {
         a.add_scale(2);
         a.add_scale(1);
       }},
      {"data.augment.translate", "between 0 and 0.5, not 0.6",
       [](auto&, auto& a) { a.set_translate(0.6); }},
      {"data.augment.noise", "between 0 and 1, not nan",
       [](auto&, auto& a) { a.set_noise(std::nan("")); }},
      {"data.augment.cutout", "not -1", [](auto&, auto& a) { a.set_cutout(-1); }},
      {"data.augment.flip_swaps_classes", "needs flip: true",
       [](auto&, auto& a) {
         AddPair(a, {"a", "b"});
       }},
      {"data.augment.flip_swaps_classes[0]", "a list of two classes, not of 3",
       [](auto&, auto& a) {
         a.set_flip(true);
         AddPair(a, {"a", "b", "c"});
       }},
      {"data.augment.flip_swaps_classes[0]", "which it names already",
       [](auto&, auto& a) {
         a.set_flip(true);
         AddPair(a, {"a", "a"});
       }},
      {"data.augment.flip_swaps_classes[1]",
       "\"a\", which data.augment.flip_swaps_classes[0] names already",
       [](auto&, auto& a) {
         a.set_flip(true);
         AddPair(a, {"a", "b"});
         AddPair(a, {"c", "a"});
       }},
      {"train.mixup", "0 or greater, not -1",
       [](auto& e, auto&) { e.mutable_train()->set_mixup(-1); }},
      {"data.label_noise.fraction", "greater than 0 and at most 1, not 0",
       [](auto& e, auto&) { e.mutable_data()->mutable_label_noise(); }},
      {"data.label_noise.kind", "uniform_wrong or uniform",
       [](auto& e, auto&) {
         e.mutable_data()->mutable_label_noise()->set_fraction(0.1);
         e.mutable_data()->mutable_label_noise()->set_kind(static_cast<v1::LabelNoise::Kind>(9));
       }},
  };
  for (const auto& test : cases) {
    v1::Experiment e = Good();
    test.spoil(e, *e.mutable_data()->mutable_augment());
    EXPECT_THAT(
        ViolationsOf(MakePlan(e).status()),
        ElementsAre(testing::AllOf(Field(&FieldViolation::field, test.field),
                                   Field(&FieldViolation::description, HasSubstr(test.text)))))
        << test.field;
  }
}

TEST(CheckFlippedClasses, NamesTheNearestClass) {
  AugmentPlan augment;
  augment.flip_swaps_classes = {{"clockwise", "anticlockwse"}, {"left", "right"}};
  Violations violations;
  CheckFlippedClasses(augment, {"anticlockwise", "clockwise"}, violations);
  const auto found = ViolationsOf(violations.ToStatus());
  ASSERT_EQ(found.size(), 3);
  EXPECT_EQ(found[0].field, "data.augment.flip_swaps_classes[0]");
  EXPECT_THAT(found[0].description, HasSubstr("did you mean anticlockwise?"));
  EXPECT_THAT(found[1].description, HasSubstr("no class \"left\"; there are anticlockwise, "));
}

TEST(CanvasMargin, FollowsFromRotationScaleAndShift) {
  const auto margin = [](double degrees, double scale, double translate) {
    AugmentPlan augment;
    augment.rotate90 = augment.flip = true;
    augment.rotate_degrees = degrees;
    augment.scale_low = scale;
    augment.translate = translate;
    return CanvasMargin(augment);
  };
  EXPECT_EQ(margin(0, 1, 0), 1.0);
  EXPECT_EQ(margin(0, 1.25, 0.1), 1.0);  // The enlargement makes room for the shift.
  EXPECT_EQ(margin(180, 1, 0), 1.5);     // The diagonal: 1.415.
  EXPECT_EQ(margin(5, 1, 0.1), 1.5);
  EXPECT_EQ(margin(180, 0.8, 0), 2.0);
  EXPECT_EQ(margin(0, 0.25, 0), 2.0);
}

}  // namespace
}  // namespace skytrain::spec
