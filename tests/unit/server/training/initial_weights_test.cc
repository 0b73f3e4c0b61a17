#include "server/training/checkpoint/initial_weights.h"

#include "ATen/ATen.h"
#include "absl/strings/match.h"
#include "common/errors.h"
#include "run_fixture.h"
#include "server/training/models/factory.h"

namespace skytrain::training {
namespace {

using Head = spec::InitPlan::Head;

const std::vector<std::string>& Classes() {
  static const auto& classes = *new std::vector<std::string>{"class0", "class1", "class2"};
  return classes;
}

std::unique_ptr<Model> Network(const spec::ModelPlan& plan, uint64_t seed, int64_t classes = 3) {
  return *MakeModel(plan, classes, 3 * 16 * 16, seed);
}

// What training for a while would have published: other weights than a new network's.
LoadedModel Published(const spec::ModelPlan& plan) {
  LoadedModel loaded;
  loaded.card.classes = Classes();
  loaded.card.experiment.mutable_task()->mutable_classification();
  loaded.card.normalisation = {{0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}};
  loaded.state = CloneTensors(Network(plan, 77)->State());
  for (const NamedTensor& named : loaded.state) {
    if (absl::EndsWith(named.name, "running_mean")) named.tensor.fill_(0.25);
  }
  return loaded;
}

spec::InitPlan Init(Head head = Head::kAuto) {
  spec::InitPlan init;
  init.model = "models/gz2/versions/1";
  init.head = head;
  return init;
}

InitialUse Use(std::vector<std::string> classes = Classes(),
               std::vector<std::string> columns = {}) {
  return {"classification", std::move(classes), {}, std::move(columns)};
}

std::map<std::string, at::Tensor> ByName(const std::vector<NamedTensor>& state) {
  std::map<std::string, at::Tensor> tensors;
  for (const NamedTensor& named : state) tensors[named.name] = named.tensor;
  return tensors;
}

TEST(StartFromTest, CopiesEverythingAndTheHeadWhereTheClassesAreTheSame) {
  const spec::ModelPlan plan = SmallPlan().model;
  const LoadedModel from = Published(plan);
  const struct {
    Head head;
    const char* task;
    std::vector<std::string> classes;
    bool kept;
  } cases[] = {{Head::kAuto, "classification", Classes(), true},
               {Head::kKeep, "classification", Classes(), true},
               {Head::kNew, "classification", Classes(), false},
               {Head::kAuto, "multi_label", Classes(), false},
               {Head::kAuto, "classification", {"ring", "no", "maybe"}, false}};
  for (const auto& test : cases) {
    const auto model = Network(plan, 1);
    const absl::Status started =
        StartFrom(Init(test.head), from, {test.task, test.classes, {}, {}}, *model);
    ASSERT_TRUE(started.ok()) << started;
    const auto theirs = ByName(from.state);
    for (const NamedTensor& named : model->State()) {
      const bool head = absl::StartsWith(named.name, "fc.");
      EXPECT_EQ(named.tensor.equal(theirs.at(named.name)), !head || test.kept) << named.name;
    }
  }
}

TEST(StartFromTest, SaysWhatDoesNotFit) {
  const spec::ModelPlan plan = SmallPlan().model;
  const LoadedModel from = Published(plan);
  const auto error = [&](const spec::InitPlan& init, const spec::ModelPlan& network,
                         const InitialUse& inputs, const LoadedModel& loaded) {
    const absl::Status status = StartFrom(init, loaded, inputs, *Network(network, 1));
    EXPECT_EQ(ReasonOf(status), "INVALID_EXPERIMENT") << status;
    return std::string(status.message());
  };
  spec::ModelPlan wider = plan;
  wider.width = 8;
  EXPECT_EQ(error(Init(), wider, Use(), from),
            "training cannot start from models/gz2/versions/1: its tensor "
            "\"features.0.conv.weight\" is [4, 3, 3, 3], this network's is [8, 3, 3, 3]");
  EXPECT_TRUE(
      absl::StrContains(error(Init(), {}, Use(), from), "it has no tensor \"conv1.weight\""));
  EXPECT_TRUE(absl::StrContains(error(Init(Head::kKeep), plan, Use({"a", "b", "c"}), from),
                                "it is for classification of class0, class1, class2"));
  EXPECT_TRUE(absl::StrContains(error(Init(), plan, Use(Classes(), {"x"}), from),
                                "it takes images, the data set is a table"));
  LoadedModel table = from;
  table.card.columns = {"x", "y"};
  EXPECT_TRUE(absl::StrContains(error(Init(), plan, Use(Classes(), {"x", "z"}), table),
                                "its input 2 is column \"y\", the data set's is \"z\""));
}

// A run of `plan` that starts from `from`.
Ran Tune(const std::string& folder, const spec::TrainingPlan& plan, const LoadedModel& from,
         const Script& script = {}) {
  const MemoryDataset set = SmallImages();
  return RunTraining(FileSystem::Posix(), folder, plan, set, script, &from);
}

spec::TrainingPlan TuningPlan() {
  spec::TrainingPlan plan = SmallPlan();
  plan.view.normalize = spec::ViewPlan::Normalize::kModel;
  plan.init = Init(Head::kNew);
  plan.init->freeze = {0, 1};
  plan.init->layer_decay = 0.5;
  return plan;
}

TEST(FineTuningTest, FrozenStagesKeepTheirBitsAndOthersLearn) {
  const TempDir dir;
  const spec::TrainingPlan plan = TuningPlan();
  const LoadedModel from = Published(plan.model);
  const Ran ran = Tune(dir.File("c"), plan, from);
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  const auto theirs = ByName(from.state);
  for (const NamedTensor& named : ran.weights) {
    const bool frozen =
        absl::StartsWith(named.name, "features.0.") || absl::StartsWith(named.name, "features.1.");
    EXPECT_EQ(named.tensor.equal(theirs.at(named.name)), frozen) << named.name;
  }
}

TEST(FineTuningTest, ResumedRunGoesOnFromItsCheckpoint) {
  const TempDir dir;
  const spec::TrainingPlan plan = TuningPlan();
  const LoadedModel from = Published(plan.model);
  const Ran whole = Tune(dir.File("whole"), plan, from);
  ASSERT_TRUE(whole.status.ok()) << whole.status;
  ASSERT_EQ(Tune(dir.File("c"), plan, from, {.stop_at = 7}).outcome.end, v1::STOPPED);
  const Ran second = Tune(dir.File("d"), plan, from, {.resume_from = dir.File("c/step-7")});
  ASSERT_TRUE(second.status.ok()) << second.status;
  ExpectSameWeights(second.weights, whole.weights, "resumed");
}

}  // namespace
}  // namespace skytrain::training
