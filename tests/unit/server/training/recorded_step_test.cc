#include "server/training/loop/recorded_step.h"

#include <cmath>
#include <limits>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "server/training/models/convolution.h"
#include "step_cases.h"

namespace skytrain::training {
namespace {

constexpr int64_t kSteps = 14;
const c10::Device kCpu(c10::kCPU);

// What a fake graph was asked for.
struct Calls {
  int warm_ups = 0, captures = 0, replays = 0;
};

// Keeps what `tensors` hold, as long as it lives.
class Kept {
 public:
  explicit Kept(const std::vector<at::Tensor>& tensors) : tensors_(tensors) {
    for (const at::Tensor& tensor : tensors_) kept_.push_back(tensor.detach().clone());
  }
  ~Kept() {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < kept_.size(); ++i) tensors_[i].copy_(kept_[i]);
  }

 private:
  const std::vector<at::Tensor>& tensors_;
  std::vector<at::Tensor> kept_;
};

// Does on the CPU what a GPU's graph does: recording changes nothing that is on the device, but all
// that is on the host; replaying the other way round.
class FakeGraph final : public StepGraph {
 public:
  FakeGraph(const Model& model, const Optimizer& optimizer, Calls& calls, std::string failure = "")
      : calls_(calls), failure_(std::move(failure)) {
    for (const NamedTensor& named : model.State()) {
      (named.tensor.is_floating_point() ? device_ : host_).push_back(named.tensor);
    }
    for (const NamedTensor& named : optimizer.State()) device_.push_back(named.tensor);
  }

  void WarmUp(const Work& work) override {
    ++calls_.warm_ups;
    work();
  }
  std::string Capture(const Work& work) override {
    ++calls_.captures;
    const Kept kept(device_);
    work();
    work_ = work;
    return failure_;
  }
  void Replay() override {
    ++calls_.replays;
    const Kept kept(host_);
    work_();
  }

 private:
  Calls& calls_;
  const std::string failure_;
  std::vector<at::Tensor> device_, host_;
  Work work_;
};

StepRun::MakeGraph Faked(Calls& calls, const std::string& failure = "") {
  return [&calls, failure](const Model& model, const Optimizer& optimizer) {
    return std::make_unique<FakeGraph>(model, optimizer, calls, failure);
  };
}

TEST(RecordedStepTest, ReplayedStepsDoWhatTheyDoUnrecorded) {
  const MemoryDataset set = SmallImages();
  for (const StepCase& of : StepCases()) {
    Calls calls;
    StepRun plain(of, set, kCpu, nullptr), recorded(of, set, kCpu, Faked(calls));
    plain.Run(0, kSteps);
    recorded.Run(0, kSteps);
    ExpectSameWeights(recorded.Everything(), plain.Everything(), of.name);
    EXPECT_EQ(calls.warm_ups, RecordedStep::kWarmUps) << of.name;
    EXPECT_EQ(calls.captures, 1) << of.name;
    EXPECT_EQ(calls.replays, kSteps - RecordedStep::kWarmUps) << of.name;
  }
}

TEST(RecordedStepTest, NoStepIsLostAndNoneIsDoneTwice) {
  const MemoryDataset set = SmallImages();
  Calls calls;
  StepRun run(StepCases()[0], set, kCpu, Faked(calls));
  run.Run(0, kSteps);
  int counters = 0;
  for (const NamedTensor& named : run.Everything()) {
    if (named.name != "step" && named.name.find("num_batches") == std::string::npos) continue;
    EXPECT_EQ(named.tensor.item<double>(), kSteps) << named.name;
    ++counters;
  }
  EXPECT_EQ(counters, 1 + 4);
}

// Whatever the step at which it was stopped: while it warmed up, recorded, or replayed.
TEST(RecordedStepTest, ResumedRunRecordsAnewAndEndsWithTheSameBits) {
  const MemoryDataset set = SmallImages();
  const StepCase of = StepCases()[0];
  Calls calls;
  StepRun whole(of, set, kCpu, Faked(calls));
  whole.Run(0, kSteps);
  for (const int64_t stop : {2, 4, 9}) {
    StepRun first(of, set, kCpu, Faked(calls)), second(of, set, kCpu, Faked(calls));
    first.Run(0, stop);
    ASSERT_TRUE(CopyTensors(CloneTensors(first.model->State()), second.model->State()).ok());
    ASSERT_TRUE(
        CopyTensors(CloneTensors(first.optimizer->State()), second.optimizer->State()).ok());
    second.losses = first.losses;
    second.sums = first.sums;
    second.Run(stop, kSteps);
    ExpectSameWeights(second.Everything(), whole.Everything(), absl::StrCat(stop));
  }
}

TEST(RecordedStepTest, BatchesOfAnotherShapeRunUnrecorded) {
  const MemoryDataset set = SmallImages();
  const StepCase of = StepCases()[0];
  Calls calls;
  StepRun plain(of, set, kCpu, nullptr), recorded(of, set, kCpu, Faked(calls));
  const Batch larger = {at::rand({16, 3, 20, 20}).contiguous(at::MemoryFormat::ChannelsLast),
                        at::arange(16) % 3};
  for (StepRun* run : {&plain, &recorded}) {
    run->Run(0, 5);
    run->Do(larger, 5);
    run->Run(6, 9);
  }
  ExpectSameWeights(recorded.Everything(), plain.Everything(), "after other shapes");
  EXPECT_EQ(calls.replays, 5 + 3 - RecordedStep::kWarmUps);
  Batch weighted = larger;
  weighted.input = at::rand({16, 3, 16, 16});
  weighted.weights = at::ones({16});
  recorded.Do(weighted, 9);
  EXPECT_EQ(calls.replays, 5 + 3 - RecordedStep::kWarmUps);
}

TEST(RecordedStepTest, GoesOnUnrecordedWhereTheDeviceCannotRecord) {
  const MemoryDataset set = SmallImages();
  const StepCase of = StepCases()[0];
  Calls calls;
  StepRun plain(of, set, kCpu, nullptr);
  StepRun recorded(of, set, kCpu, Faked(calls, "operation not permitted"));
  testing::internal::CaptureStderr();
  plain.Run(0, kSteps);
  recorded.Run(0, kSteps);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "Training steps are not recorded as a graph, which makes them slower: operation not "
            "permitted\n");
  ExpectSameWeights(recorded.Everything(), plain.Everything(), "not recorded");
  EXPECT_EQ(calls.captures, 1);
  EXPECT_EQ(calls.replays, 0);
}

TEST(RecordedStepTest, WhoLooksSeesTheStepsLossAndMayEndTheRun) {
  const MemoryDataset set = SmallImages();
  Calls calls;
  StepRun run(StepCases()[0], set, kCpu, Faked(calls));
  run.Run(0, 5);
  Batch batch = {at::full({16, 3, 16, 16}, std::numeric_limits<float>::infinity()),
                 at::zeros({16}, at::kLong)};
  bool seen = false;
  EXPECT_FALSE(run.step->Run(batch, 5, 0.01, [&](const TrainingStep::Found& found) {
    seen = !std::isfinite(found.loss.item<float>());
    return false;
  }));
  EXPECT_TRUE(seen);
}

// A recorded change is one that LibTorch does not see.
TEST(RecordedStepTest, WorkingCopiesFollow) {
  class OneWeight final : public Model {
   public:
    OneWeight() {
      weight = AddParameter("w", at::ones({2}), true);
      Prepare(c10::Device(c10::kCPU));
    }
    at::Tensor Features(const at::Tensor& input) override { return input; }
    at::Tensor Logits(const at::Tensor& features) override { return features; }
    at::Tensor weight;
  } model;
  // Writes to memory behind LibTorch's back, as a device does.
  class Writer final : public StepGraph {
   public:
    explicit Writer(const at::Tensor& weight) : weight_(weight) {}
    void WarmUp(const Work& work) override { work(); }
    std::string Capture(const Work& work) override {
      work();
      return "";
    }
    void Replay() override { *weight_.mutable_data_ptr<float>() += 1.0F; }

   private:
    const at::Tensor weight_;
  };
  const spec::TrainingPlan plan = SmallPlan();
  RecordedStep step(plan, model, std::make_unique<Writer>(model.weight.detach()),
                    [](const StepValues&) {
                      return StepFound{at::zeros({}), at::zeros({})};
                    });
  const WorkingCopy copy;
  for (int64_t i = 0; i < RecordedStep::kWarmUps + 3; ++i) {
    step.Run({at::zeros({1, 1}), at::zeros({1}, at::kLong)}, i, 0.01);
    EXPECT_TRUE(copy.Of(model.weight).equal(model.weight.detach().to(at::kBFloat16))) << i;
  }
  EXPECT_EQ(model.weight[0].item<float>(), 4.0F);
}

TEST(RecordedStepTest, OnlyASearchForALearningRateIsNotRecordedOnAGpu) {
  const c10::Device gpu(c10::kCUDA, 0);
  for (const StepCase& of : StepCases()) {
    EXPECT_EQ(WhyNotRecorded(of.plan, gpu), "") << of.name;
    EXPECT_EQ(WhyNotRecorded(of.plan, kCpu), "only GPUs record") << of.name;
  }
  spec::TrainingPlan plan = SmallPlan();
  plan.find_lr = spec::FindLrPlan();
  EXPECT_EQ(WhyNotRecorded(plan, gpu),
            "a search for a learning rate looks at each loss before it goes on");
}

}  // namespace
}  // namespace skytrain::training
