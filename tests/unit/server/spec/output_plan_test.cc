// What an experiment may ask to be written, and what each impossible wish is told.
#include "server/spec/output_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "good_experiment.h"

namespace skytrain::spec {
namespace {

using Format = OutputPlan::Format;

// Of rows of a table.
void AsTable(v1::Experiment& e) {
  e.mutable_data()->clear_image();
  e.mutable_model()->mutable_mlp()->add_hidden(8);
}

TEST(OutputPlan, ImagesGetATableOfPredictionsAndASheetOfMistakes) {
  const auto images = MakePlan(Good());
  ASSERT_TRUE(images.ok()) << images.status();
  EXPECT_EQ(images->output.predictions, Format::kCsv);
  EXPECT_FALSE(images->output.features);
  EXPECT_EQ(images->output.mistakes, 48);
  v1::Experiment table = Good();
  AsTable(table);
  const auto plan = MakePlan(table);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->output.predictions, Format::kCsv);
  EXPECT_EQ(plan->output.mistakes, 0);
}

TEST(OutputPlan, WhatIsAskedForIsWritten) {
  v1::Experiment e = Good();
  e.mutable_output()->set_predictions(v1::Output::FORMAT_PARQUET);
  e.mutable_output()->set_features(true);
  e.mutable_output()->set_mistakes(400);
  auto plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->output.predictions, Format::kParquet);
  EXPECT_TRUE(plan->output.features);
  EXPECT_EQ(plan->output.mistakes, 400);
  e.mutable_output()->set_predictions(v1::Output::FORMAT_NONE);
  e.mutable_output()->set_features(false);
  e.mutable_output()->set_mistakes(0);
  plan = MakePlan(e);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_FALSE(plan->output.Any());
  // Every family has an input of its last layer, a linear model the columns themselves.
  v1::Experiment linear = Good();
  linear.mutable_data()->clear_image();
  linear.mutable_model()->mutable_mlp();
  linear.mutable_output()->set_features(true);
  EXPECT_TRUE(MakePlan(linear).ok()) << MakePlan(linear).status();
}

class EachOutputMistake : public testing::TestWithParam<Mistake> {};

TEST_P(EachOutputMistake, IsNamedWithItsFieldAndWhatToDo) { ExpectNamed(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Experiments, EachOutputMistake,
    testing::ValuesIn(std::vector<Mistake>{
        {"FormatOfALaterClient",
         [](auto& e) { e.mutable_output()->set_predictions(static_cast<v1::Output::Format>(77)); },
         "output.predictions", "take csv, parquet, json_lines or none"},
        {"FeaturesWithoutRows",
         [](auto& e) {
           e.mutable_output()->set_predictions(v1::Output::FORMAT_NONE);
           e.mutable_output()->set_features(true);
         },
         "output.features", "set output.predictions to csv or parquet"},
        {"FeaturesAsJsonLines",
         [](auto& e) {
           e.mutable_output()->set_predictions(v1::Output::FORMAT_JSON_LINES);
           e.mutable_output()->set_features(true);
         },
         "output.features", "set output.predictions to csv or parquet"},
        {"FewerThanNoMistakes", [](auto& e) { e.mutable_output()->set_mistakes(-1); },
         "output.mistakes", "between 0 and 400, not -1"},
        {"MoreMistakesThanASheetHolds", [](auto& e) { e.mutable_output()->set_mistakes(401); },
         "output.mistakes", "between 0 and 400, not 401"},
        {"MistakesOfATable",
         [](auto& e) {
           AsTable(e);
           e.mutable_output()->set_mistakes(5);
         },
         "output.mistakes", "is for images, and the samples are rows of a table: leave it out"}}),
    [](const auto& info) { return info.param.name; });

TEST(OutputPlan, AllMistakesAreToldAtOnce) {
  v1::Experiment e = Good();
  e.mutable_output()->set_predictions(static_cast<v1::Output::Format>(77));
  e.mutable_output()->set_mistakes(1000);
  std::vector<std::string> fields;
  for (const auto& violation : ViolationsOf(MakePlan(e).status())) {
    fields.push_back(violation.field);
  }
  EXPECT_THAT(fields, testing::ElementsAre("output.predictions", "output.mistakes"));
}

}  // namespace
}  // namespace skytrain::spec
