// Jobs that ask published models.
#include <string>

#include "common/attempt/attempt_dir.h"
#include "common/errors.h"
#include "common/ids.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

// A world in which Ana has two models that see alike and one of other classes.
class EvaluationTest : public testing::Test {
 protected:
  EvaluationTest() {
    world_.options().find_model = [](const std::string& owner,
                                     const std::string& asked) -> absl::StatusOr<ModelLocation> {
      const absl::StatusOr<ModelName> parsed = ParseModelName(asked);
      const std::string name = parsed.ok() ? parsed->model : "";
      if (owner != "ana" || (name != "gz2" && name != "gz3" && name != "stars")) {
        return ErrorWithReason(absl::StatusCode::kNotFound, "MODEL_NOT_FOUND", name);
      }
      ModelLocation found;
      found.model.set_name("models/" + name + "/versions/4");
      found.model.add_classes(name == "stars" ? "dwarf" : "smooth");
      found.model.add_classes("featured");
      v1::ModelFile& file = *found.model.add_files();
      file.set_name("model.safetensors");
      file.set_sha256("abc " + name);
      found.dir = "/models/" + name + "/4";
      return found;
    };
    world_.options().experiment_of_model = [](const v1::Model&) {
      return JobWorld::Request("").job().experiment();
    };
    world_.options().manifest =
        [this, labelled = world_.options().manifest](
            const v1::Data& data, const std::optional<v1::Task>& task,
            const std::string& owner) -> absl::StatusOr<v1::DatasetManifest> {
      if (task.has_value()) return labelled(data, task, owner);
      ++unlabelled_;
      v1::DatasetManifest manifest;
      manifest.set_count(17);
      return manifest;
    };
  }

  static v1::CreateJobRequest Request(const std::string& id) {
    v1::CreateJobRequest request;
    request.set_job_id(id);
    v1::Evaluation& evaluation = *request.mutable_job()->mutable_evaluation();
    evaluation.set_model("gz2");
    evaluation.mutable_data()->set_dataset("/data/new");
    return request;
  }

  JobWorld world_;
  int unlabelled_ = 0;
};

TEST_F(EvaluationTest, ImagesThatTakeMoreThanTheCacheMayAreRefused) {
  world_.options().max_cache_bytes = 17 * 32 * 32 * 3 - 1;
  world_.options().experiment_of_model = [](const v1::Model&) {
    v1::Experiment trained = JobWorld::Request("").job().experiment();
    trained.mutable_data()->mutable_image()->set_size(32);
    return trained;
  };
  world_.Start();
  v1::CreateJobRequest request = Request("large");
  request.mutable_job()->mutable_evaluation()->set_unlabelled(true);
  request.mutable_job()->mutable_evaluation()->mutable_output()->set_predictions(
      v1::Output::FORMAT_CSV);
  const absl::Status refused = world_.jobs().Create(JobWorld::kAna, request).status();
  EXPECT_EQ(ReasonOf(refused), "INVALID_EXPERIMENT");
  ASSERT_EQ(ViolationsOf(refused).size(), 1u) << refused;
  EXPECT_EQ(ViolationsOf(refused)[0].field, "data");
  EXPECT_THAT(ViolationsOf(refused)[0].description, testing::HasSubstr("take 52,224 bytes"));
  EXPECT_EQ(world_.jobs().List(JobWorld::kAna, {})->jobs_size(), 0);
}

TEST_F(EvaluationTest, AttemptIsToldOfEveryModelAndHowToAskThem) {
  internal::v1::AttemptSpec spec;
  world_.launcher().Then([&spec](FakeRun& run) {
    spec = *run.dir().ReadSpec();
    run.Claim();
    run.StartRank();
    run.Exit(v1::COMPLETED);
  });
  world_.Start();
  v1::CreateJobRequest request = Request("both");
  v1::Evaluation& asked = *request.mutable_job()->mutable_evaluation();
  asked.add_ensemble("gz3");
  asked.set_dihedral(true);
  asked.set_unlabelled(true);
  asked.mutable_output()->set_predictions(v1::Output::FORMAT_CSV);
  const auto created = world_.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(unlabelled_, 1);
  EXPECT_EQ(created->estimate().test_samples(), 17);
  EXPECT_EQ(created->job().evaluation().model(), "models/gz2/versions/4");
  EXPECT_EQ(created->job().evaluation().ensemble(0), "models/gz3/versions/4");
  world_.WaitForEnd("both");
  const internal::v1::EvaluationWork& work = spec.evaluation();
  EXPECT_EQ(work.model_dir(), "/models/gz2/4");
  ASSERT_EQ(work.ensemble_size(), 1);
  EXPECT_EQ(work.ensemble(0).model_dir(), "/models/gz3/4");
  EXPECT_EQ(work.ensemble(0).sha256().at("model.safetensors"), "abc gz3");
  EXPECT_TRUE(work.dihedral());
  EXPECT_TRUE(work.unlabelled());
  EXPECT_EQ(work.output().predictions(), v1::Output::FORMAT_CSV);
}

TEST_F(EvaluationTest, NameSaysThatNothingIsMeasured) {
  world_.Start();
  v1::CreateJobRequest request = Request("");
  request.mutable_job()->mutable_evaluation()->set_unlabelled(true);
  request.mutable_job()->mutable_evaluation()->mutable_output()->set_predictions(
      v1::Output::FORMAT_CSV);
  const auto created = world_.jobs().Create(JobWorld::kAna, request);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_THAT(created->job().name(), testing::StartsWith("jobs/predict-gz2-"));
}

TEST_F(EvaluationTest, ModelsThatCannotBeAveragedAreRefused) {
  world_.Start();
  for (const auto& [model, reason] :
       {std::pair<const char*, const char*>{"stars", "INVALID_EXPERIMENT"},
        {"unknown", "MODEL_NOT_FOUND"}}) {
    v1::CreateJobRequest request = Request("both");
    request.mutable_job()->mutable_evaluation()->add_ensemble(model);
    const absl::Status refused = world_.jobs().Create(JobWorld::kAna, request).status();
    EXPECT_EQ(ReasonOf(refused), reason) << refused;
  }
  v1::CreateJobRequest request = Request("dropping");
  request.mutable_job()->mutable_evaluation()->set_dropout_samples(5);
  const absl::Status refused = world_.jobs().Create(JobWorld::kAna, request).status();
  ASSERT_EQ(ReasonOf(refused), "INVALID_EXPERIMENT") << refused;
  EXPECT_EQ(ViolationsOf(refused)[0].field, "dropout_samples");
}

}  // namespace
}  // namespace skytrain
