// Jobs that start from a published model.
#include <string>

#include "common/attempt/attempt_dir.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {
namespace {

constexpr char kVersion[] = "models/gz2/versions/4";

// A world in which Ana has one model, which JobWorld's request made.
class InitTest : public testing::Test {
 protected:
  InitTest() {
    world_.options().find_model = [](const std::string& owner,
                                     const std::string& name) -> absl::StatusOr<ModelLocation> {
      if (owner != "ana" || (name != "gz2" && name != kVersion)) {
        return ErrorWithReason(absl::StatusCode::kNotFound, "MODEL_NOT_FOUND", name);
      }
      ModelLocation found;
      found.model.set_name(kVersion);
      found.model.add_classes("smooth");
      found.model.add_classes("featured");
      v1::ModelFile& file = *found.model.add_files();
      file.set_name("model.safetensors");
      file.set_sha256("abc");
      found.dir = "/models/gz2/4";
      return found;
    };
    world_.options().experiment_of_model = [](const v1::Model&) {
      return JobWorld::Request("").job().experiment();
    };
  }

  // Neither network nor view: those of the model.
  static v1::CreateJobRequest Request(const std::string& id) {
    v1::CreateJobRequest request = JobWorld::Request(id);
    v1::Experiment& experiment = *request.mutable_job()->mutable_experiment();
    experiment.clear_model();
    experiment.mutable_data()->clear_image();
    experiment.mutable_init()->set_model("gz2");
    return request;
  }

  JobWorld world_;
};

TEST_F(InitTest, JobNamesTheVersionAndHasTheModelsNetworkAndView) {
  world_.Start();
  const auto created = world_.jobs().Create(JobWorld::kAna, Request("rings"));
  ASSERT_TRUE(created.ok()) << created.status();
  const v1::Experiment& experiment = created->job().experiment();
  EXPECT_EQ(experiment.init().model(), kVersion);
  EXPECT_EQ(experiment.model().resnet().depth(), 18);
  EXPECT_EQ(experiment.data().image().size(), 64);
  EXPECT_GT(created->estimate().parameters(), 11'000'000);
}

TEST_F(InitTest, AttemptSaysWhereTheModelIsAndWhatItWas) {
  internal::v1::AttemptSpec spec;
  world_.launcher().Then([&spec](FakeRun& run) {
    spec = *run.dir().ReadSpec();
    run.Claim();
    run.StartRank();
    run.Exit(v1::COMPLETED);
  });
  world_.Start();
  ASSERT_TRUE(world_.jobs().Create(JobWorld::kAna, Request("rings")).ok());
  world_.WaitForEnd("rings");
  EXPECT_EQ(spec.init().model_dir(), "/models/gz2/4");
  EXPECT_EQ(spec.init().sha256().at("model.safetensors"), "abc");
  EXPECT_EQ(spec.experiment().init().model(), kVersion);
}

TEST_F(InitTest, ModelOfSomebodyElseIsUnknown) {
  world_.Start();
  EXPECT_EQ(ReasonOf(world_.jobs().Create({"ben", false}, Request("rings")).status()),
            "MODEL_NOT_FOUND");
}

TEST_F(InitTest, HeadOfOtherClassesIsNotKept) {
  world_.Start();
  v1::CreateJobRequest request = Request("rings");
  request.mutable_job()->mutable_experiment()->mutable_init()->set_head(v1::Init::HEAD_KEEP);
  const absl::Status refused = world_.jobs().Create(JobWorld::kAna, request).status();
  ASSERT_EQ(ReasonOf(refused), "INVALID_EXPERIMENT") << refused;
  EXPECT_EQ(ViolationsOf(refused)[0].field, "init.head");
}

}  // namespace
}  // namespace skytrain
