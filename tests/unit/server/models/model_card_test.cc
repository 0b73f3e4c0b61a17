#include "server/models/model_card.h"

#include "common/errors.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

TEST(ReadModelCard, NamesTheModelThatTrainingStartedFrom) {
  v1::Model model;
  std::string sha256;
  ASSERT_TRUE(ReadModelCard(R"({"parent": "models/gz2/versions/4"})", &model, &sha256).ok());
  EXPECT_EQ(model.parent(), "models/gz2/versions/4");
  EXPECT_EQ(ReasonOf(ReadModelCard(R"({"parent": 4})", &model, &sha256)), "MODEL_CORRUPT");
}

TEST(ReadExperimentOfCard, IsTheOneThatTheModelWasTrainedBy) {
  const auto experiment = ReadExperimentOfCard(
      R"({"experiment": {"data": {"image": {"size": 64}}, "model": {"resnet": {"depth": 34}}}})");
  ASSERT_TRUE(experiment.ok()) << experiment.status();
  EXPECT_EQ(experiment->data().image().size(), 64);
  EXPECT_EQ(experiment->model().resnet().depth(), 34);
}

TEST(ReadExperimentOfCard, DamageIsNamed) {
  for (const char* card : {"", "[]", "{}", R"({"experiment": 3})", R"({"experiment": {"a": 1}})"}) {
    EXPECT_EQ(ReasonOf(ReadExperimentOfCard(card).status()), "MODEL_CORRUPT") << card;
  }
}

}  // namespace
}  // namespace skytrain
