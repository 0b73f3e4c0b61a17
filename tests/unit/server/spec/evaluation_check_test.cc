#include "server/spec/evaluation_check.h"

#include <map>
#include <string>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/check.h"

namespace skytrain::spec {
namespace {

using ::testing::HasSubstr;

v1::Evaluation Good() {
  v1::Evaluation evaluation;
  evaluation.set_model("models/gz2/versions/1");
  evaluation.mutable_data()->set_dataset("/data/galaxies");
  return evaluation;
}

std::map<std::string, std::string> Mistakes(const absl::Status& status) {
  std::map<std::string, std::string> mistakes;
  for (const FieldViolation& violation : ViolationsOf(status)) {
    mistakes[violation.field] = violation.description;
  }
  return mistakes;
}

TEST(CheckPrediction, EveryMistakeIsNamedByItsField) {
  using Set = void (*)(v1::Evaluation&);
  const struct {
    const char* field;
    Set set;
  } cases[] = {
      {"ensemble", [](v1::Evaluation& e) { for (int i = 0; i < 65; ++i) e.add_ensemble("gz2@1"); }},
      {"ensemble[1]",
       [](v1::Evaluation& e) {
         e.add_ensemble("gz2@1");
         e.add_ensemble("../gz2");
       }},
      {"dropout_samples", [](v1::Evaluation& e) { e.set_dropout_samples(-1); }},
      {"dropout_samples", [](v1::Evaluation& e) { e.set_dropout_samples(1001); }},
      {"output.predictions",
       [](v1::Evaluation& e) {
         e.mutable_output()->set_predictions(static_cast<v1::Output::Format>(77));
       }},
      {"output.predictions", [](v1::Evaluation& e) { e.set_unlabelled(true); }},
      {"output.features", [](v1::Evaluation& e) { e.mutable_output()->set_features(true); }},
      {"output.features",
       [](v1::Evaluation& e) {
         e.mutable_output()->set_features(true);
         e.mutable_output()->set_predictions(v1::Output::FORMAT_JSON_LINES);
       }},
      {"output.mistakes", [](v1::Evaluation& e) { e.mutable_output()->set_mistakes(401); }},
      {"output.mistakes",
       [](v1::Evaluation& e) {
         e.set_unlabelled(true);
         e.mutable_output()->set_predictions(v1::Output::FORMAT_CSV);
         e.mutable_output()->set_mistakes(4);
       }},
      {"split",
       [](v1::Evaluation& e) {
         e.set_unlabelled(true);
         e.mutable_output()->set_predictions(v1::Output::FORMAT_CSV);
         e.set_split("test");
       }},
      {"data.classes",
       [](v1::Evaluation& e) {
         e.set_unlabelled(true);
         e.mutable_output()->set_predictions(v1::Output::FORMAT_CSV);
         e.mutable_data()->mutable_classes()->add_drop("x");
       }},
  };
  for (const auto& test : cases) {
    v1::Evaluation evaluation = Good();
    test.set(evaluation);
    const absl::Status refused = CheckEvaluation(evaluation);
    EXPECT_EQ(ReasonOf(refused), "INVALID_EXPERIMENT") << test.field;
    EXPECT_EQ(Mistakes(refused).count(test.field), 1u) << test.field << ": " << refused;
    EXPECT_EQ(Mistakes(refused).size(), 1u) << refused;
  }
  v1::Evaluation all = Good();
  all.add_ensemble("gz2@2");
  all.set_dihedral(true);
  all.set_dropout_samples(1000);
  all.set_unlabelled(true);
  all.mutable_output()->set_predictions(v1::Output::FORMAT_PARQUET);
  all.mutable_output()->set_features(true);
  EXPECT_TRUE(CheckEvaluation(all).ok()) << CheckEvaluation(all);
}

TrainedModel Galaxies(int version) {
  TrainedModel one;
  one.model.set_name("models/gz2/versions/" + std::to_string(version));
  one.model.set_family("resnet18");
  one.model.add_classes("smooth");
  one.model.add_classes("featured");
  v1::Experiment& trained = one.trained;
  trained.mutable_data()->set_dataset("/data/galaxies");
  trained.mutable_data()->mutable_image()->set_size(64);
  trained.mutable_task()->mutable_classification();
  trained.mutable_model()->mutable_resnet()->set_depth(18);
  trained.mutable_train()->set_epochs(1);
  return one;
}

TrainedModel Redshifts(const char* target) {
  TrainedModel one = Galaxies(7);
  one.model.clear_classes();
  one.trained.mutable_task()->mutable_regression()->add_targets(target);
  return one;
}

TEST(CheckModels, OnlyWhatAnswersTheSameQuestionIsAveraged) {
  v1::Evaluation evaluation = Good();
  TrainedModel reordered = Galaxies(2), smaller = Galaxies(3), cut = Galaxies(4);
  std::swap(*reordered.model.mutable_classes(0), *reordered.model.mutable_classes(1));
  smaller.trained.mutable_data()->mutable_image()->set_size(32);
  cut.trained.mutable_data()->mutable_image()->set_center_crop(0.5);
  EXPECT_TRUE(CheckModels(evaluation, {Galaxies(1), Galaxies(2)}).ok());
  const struct {
    std::vector<TrainedModel> models;
    const char* why;
  } cases[] = {{{Galaxies(1), reordered}, "order"},
               {{Galaxies(1), Redshifts("z")}, "regression"},
               {{Redshifts("z"), Redshifts("mass")}, "mass"},
               {{Galaxies(1), smaller}, "32 px"},
               {{Galaxies(1), cut}, "0.5"}};
  for (const auto& test : cases) {
    const absl::Status refused = CheckModels(evaluation, test.models);
    EXPECT_EQ(ReasonOf(refused), "INVALID_EXPERIMENT") << test.why;
    EXPECT_THAT(Mistakes(refused)["ensemble[0]"], HasSubstr(test.why));
  }
}

TEST(CheckModels, TurnsNeedImagesAndDropoutNeedsDropout) {
  v1::Evaluation evaluation = Good();
  evaluation.set_dropout_samples(10);
  EXPECT_THAT(Mistakes(CheckModels(evaluation, {Galaxies(1)}))["dropout_samples"],
              HasSubstr("models/gz2/versions/1"));
  TrainedModel dropping = Galaxies(2);
  dropping.trained.mutable_model()->mutable_resnet()->set_dropout(0.2);
  EXPECT_TRUE(CheckModels(evaluation, {dropping}).ok());
  EXPECT_EQ(Mistakes(CheckModels(evaluation, {dropping, Galaxies(1)})).count("dropout_samples"), 1u);

  TrainedModel table = Galaxies(3);
  table.trained.mutable_data()->clear_image();
  table.trained.mutable_model()->mutable_mlp();
  evaluation.set_dropout_samples(0);
  evaluation.set_dihedral(true);
  evaluation.mutable_output()->set_mistakes(4);
  const auto mistakes = Mistakes(CheckModels(evaluation, {table}));
  EXPECT_EQ(mistakes.count("dihedral"), 1u);
  EXPECT_EQ(mistakes.count("output.mistakes"), 1u);
}

}  // namespace
}  // namespace skytrain::spec
