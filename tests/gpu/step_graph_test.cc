// Steps that the GPU replays against the same steps started kernel by kernel, and whole runs. Skips
// itself where there is no GPU.
#include <cstdlib>

#include "ATen/Context.h"
#include "server/training/gpu/gpu_plugin.h"
#include "tests/unit/server/training/step_cases.h"

namespace skytrain::training {
namespace {

constexpr int64_t kSteps = 20;

FileSystem& Posix() { return FileSystem::Posix(); }

class GpuStepGraphTest : public testing::Test {
 protected:
  // The kernels of both ways are then the same, with the same sums.
  void SetUp() override {
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 1);
    // Before anything of LibTorch is used.
    if (const absl::Status loaded = LoadGpuPlugin(); !loaded.ok()) GTEST_SKIP() << loaded.message();
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
    at::globalContext().setDeterministicCuDNN(true);
    at::globalContext().setBenchmarkCuDNN(false);
  }

  const c10::Device gpu_ = c10::Device(c10::kCUDA, 0);
};

// Counts what a graph is asked for.
class CountingGraph final : public StepGraph {
 public:
  CountingGraph(std::unique_ptr<StepGraph> graph, int& replays)
      : graph_(std::move(graph)), replays_(replays) {}
  void WarmUp(const Work& work) override { graph_->WarmUp(work); }
  std::string Capture(const Work& work) override {
    const std::string why = graph_->Capture(work);
    EXPECT_EQ(why, "");
    return why;
  }
  void Replay() override {
    ++replays_;
    graph_->Replay();
  }

 private:
  const std::unique_ptr<StepGraph> graph_;
  int& replays_;
};

StepRun::MakeGraph Counted(int& replays) {
  return [&replays](const Model&, const Optimizer&) {
    return std::make_unique<CountingGraph>(LoadedGpuPlugin()->make_step_graph(0), replays);
  };
}

// The learning rate changes each step, and an epoch ends after six. A weight moves by about its
// learning rate a step, so a step that is lost or done twice shows.
void ExpectClose(const std::vector<NamedTensor>& found, const std::vector<NamedTensor>& expected,
                 const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (size_t i = 0; i < found.size(); ++i) {
    const at::Tensor a = found[i].tensor.to(at::kDouble), b = expected[i].tensor.to(at::kDouble);
    EXPECT_TRUE(a.allclose(b, 1e-4, 1e-4))
        << what << ": " << found[i].name << " by " << (a - b).abs().max().item<double>();
  }
}

TEST_F(GpuStepGraphTest, ReplayedStepsDoWhatTheyDoKernelByKernel) {
  const MemoryDataset set = SmallImages();
  for (const StepCase& of : StepCases()) {
    int replays = 0;
    StepRun plain(of, set, gpu_, nullptr), recorded(of, set, gpu_, Counted(replays));
    plain.Run(0, kSteps);
    recorded.Run(0, kSteps);
    EXPECT_EQ(replays, kSteps - RecordedStep::kWarmUps) << of.name;
    ExpectClose(recorded.Everything(), plain.Everything(), of.name);
  }
}

TEST_F(GpuStepGraphTest, BatchesOfAnotherShapeComeInBetween) {
  const MemoryDataset set = SmallImages();
  const StepCase of = StepCases()[0];
  int replays = 0;
  StepRun plain(of, set, gpu_, nullptr), recorded(of, set, gpu_, Counted(replays));
  const Batch larger = {
      at::ones({16, 3, 20, 20}).contiguous(at::MemoryFormat::ChannelsLast).to(gpu_),
      (at::arange(16) % 3).to(gpu_)};
  for (StepRun* run : {&plain, &recorded}) {
    run->Run(0, 8);
    run->Do(larger, 8);
    run->Run(9, kSteps);
  }
  EXPECT_EQ(replays, kSteps - 1 - RecordedStep::kWarmUps);
  ExpectClose(recorded.Everything(), plain.Everything(), "after other shapes");
}

// What the device refuses to record costs speed only.
TEST_F(GpuStepGraphTest, WorkThatWaitsIsRefusedAndLeavesTheDeviceUsable) {
  const std::unique_ptr<StepGraph> graph = LoadedGpuPlugin()->make_step_graph(0);
  const at::Tensor x = at::ones({1000}, at::TensorOptions(gpu_));
  at::Tensor kept;
  const StepGraph::Work work = [&] {
    kept = x * 2.0;
    (void)kept.sum().item<float>();
  };
  graph->WarmUp(work);
  EXPECT_NE(graph->Capture(work), "");
  EXPECT_EQ((x + 1.0).sum().item<float>(), 2000.0F);
  work();
  EXPECT_EQ(kept.sum().item<float>(), 2000.0F);
}

spec::TrainingPlan TrainedPlan() {
  spec::TrainingPlan plan = SmallPlan();
  plan.deterministic = true;
  plan.ema_decay = 0.9;
  plan.clip_grad_norm = 1.0;
  return plan;
}

TEST_F(GpuStepGraphTest, ResumedRunEndsWithTheBitsOfAnUnbrokenOne) {
  const MemoryDataset set = SmallImages();
  const TempDir dir;
  const spec::TrainingPlan plan = TrainedPlan();
  const Ran whole = RunTraining(Posix(), dir.File("whole"), plan, set, {.device = gpu_});
  ASSERT_EQ(whole.outcome.end, v1::COMPLETED) << whole.status;
  const auto& losses = whole.metrics.at("train/loss");
  EXPECT_EQ(losses.size(), 18);
  EXPECT_LT(losses.back().value, losses.front().value);
  const std::string folder = dir.File("stopped");
  // The host looks once an epoch, and sees the wish to stop then.
  const Ran first = RunTraining(Posix(), folder, plan, set, {.stop_at = 8, .device = gpu_});
  ASSERT_EQ(first.outcome.end, v1::STOPPED) << first.status;
  const Ran second = RunTraining(Posix(), folder + "2", plan, set,
                                 {.resume_from = folder + "/step-12", .device = gpu_});
  ASSERT_EQ(second.outcome.end, v1::COMPLETED) << second.status;
  ExpectSameWeights(second.weights, whole.weights, "resumed");
}

TEST_F(GpuStepGraphTest, LossThatIsNotFiniteEndsTheRun) {
  const MemoryDataset set = SmallImages();
  const TempDir dir;
  spec::TrainingPlan plan = TrainedPlan();
  plan.clip_grad_norm = 0.0;
  plan.optimizer.kind = spec::OptimizerPlan::Kind::kSgd;
  plan.optimizer.lr = 1e30;
  const Ran ran = RunTraining(Posix(), dir.File("c"), plan, set, {.device = gpu_});
  EXPECT_EQ(ran.outcome.end, v1::NON_FINITE_LOSS) << ran.status;
}

}  // namespace
}  // namespace skytrain::training
