// A GPU cannot record a step in which the host reads a number from the device. Here the CPU shows
// that no step does: it runs each, and looks at which operations LibTorch is asked for.
#include <map>
#include <set>
#include <string>

#include "ATen/CPUGeneratorImpl.h"
#include "ATen/record_function.h"
#include "server/spec/task_plan.h"
#include "server/training/models/dropout.h"
#include "tests/unit/server/training/step_cases.h"

namespace skytrain::training {
namespace {

const c10::Device kCpu(c10::kCPU);

// Operations that this thread has asked for while one of these lived, by name. Not those inside of
// fused optimizers: on the CPU they read learning rate and step, on a GPU their kernels do.
class Watch {
 public:
  Watch() {
    called_.clear();
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&Begin, &End));
  }
  ~Watch() { at::removeCallback(handle_); }

  // Those whose answer, or whose answer's shape, the host has to wait for.
  static std::map<std::string, int> Waits() {
    std::map<std::string, int> waits;
    for (const auto& [name, times] : called_) {
      static const std::set<std::string> waiting = {"aten::item",
                                                    "aten::_local_scalar_dense",
                                                    "aten::is_nonzero",
                                                    "aten::equal",
                                                    "aten::allclose",
                                                    "aten::nonzero",
                                                    "aten::masked_select",
                                                    "aten::_unique2",
                                                    "aten::repeat_interleave"};
      if (waiting.contains(name)) waits[name] = times;
    }
    return waits;
  }
  static int Times(const std::string& start) {
    int sum = 0;
    for (const auto& [name, times] : called_) sum += name.rfind(start, 0) == 0 ? times : 0;
    return sum;
  }

 private:
  static bool IsFused(const at::RecordFunction& function) {
    return std::string(function.name()).rfind("aten::_fused_", 0) == 0;
  }
  static std::unique_ptr<at::ObserverContext> Begin(const at::RecordFunction& function) {
    if (fused_ == 0) ++called_[function.name()];
    fused_ += IsFused(function);
    return nullptr;
  }
  static void End(const at::RecordFunction& function, at::ObserverContext* /*context*/) {
    fused_ -= IsFused(function);
  }

  static inline thread_local std::map<std::string, int> called_;
  static inline thread_local int fused_ = 0;
  at::CallbackHandle handle_;
};

TEST(StepWaitsTest, TheWatchSeesWhatWaits) {
  {
    const Watch watch;
    (void)at::ones({2}).sum().item<float>();
  }
  EXPECT_EQ(Watch::Waits().count("aten::item"), 1);
  EXPECT_EQ(Watch::Times("aten::ones"), 1);
}

class WatchedGraph final : public StepGraph {
 public:
  void WarmUp(const Work& work) override {
    {
      const Watch watch;
      work();
    }
    EXPECT_THAT(Watch::Waits(), testing::IsEmpty());
    EXPECT_GT(Watch::Times("aten::"), 50);
  }
  std::string Capture(const Work& /*work*/) override { return "not tried"; }
  void Replay() override {}
};

TEST(StepWaitsTest, NoKindOfStepDoes) {
  const MemoryDataset set = SmallImages();
  for (const StepCase& of : StepCases()) {
    SCOPED_TRACE(of.name);
    StepRun run(of, set, kCpu,
                [](const Model&, const Optimizer&) { return std::make_unique<WatchedGraph>(); });
    run.Run(0, 2);
  }
}

TEST(StepWaitsTest, NoModelDoes) {
  using Family = spec::ModelPlan::Family;
  for (const Family family : {Family::kResnet, Family::kMlp, Family::kWideResnet, Family::kConvnext,
                              Family::kEfficientnet, Family::kVit}) {
    spec::ModelPlan plan;
    plan.family = family;
    plan.channels = 8;
    plan.hidden = {8};
    plan.widen = 1;
    plan.depth = family == Family::kWideResnet ? 10 : 18;
    plan.convnext = spec::ModelPlan::Convnext::kNano;
    plan.dropout = family == Family::kConvnext ? 0.0 : 0.1;
    plan.stochastic_depth = 0.2;
    const auto model = MakeModel(plan, 3, 3 * 32 * 32, 1);
    ASSERT_TRUE(model.ok()) << model.status();
    (*model)->Prepare(kCpu, spec::Precision::kBf16);
    at::Tensor input = at::rand({2, 3, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast);
    if (family == Family::kMlp) input = input.flatten(1);
    StepDraw draw;
    draw.keys = DropoutKeys(1, 1, (*model)->DrawingLayers());
    (*model)->SetDraw(draw);
    {
      const Watch watch;
      (*model)->Forward(input).sum().backward();
    }
    EXPECT_THAT(Watch::Waits(), testing::IsEmpty()) << plan.Name();
    EXPECT_GT(Watch::Times("aten::"), 5) << plan.Name();
  }
}

std::vector<std::unique_ptr<Task>> EveryTask() {
  std::vector<spec::TaskPlan> plans(5);
  plans[0].focal_gamma = 2.0;
  plans[0].label_smoothing = 0.1;
  plans[0].class_weight_power = 1.0;
  plans[1].kind = spec::TaskPlan::Kind::kRegression;
  plans[1].targets.values = {"z", "mass"};
  plans[2] = plans[1];
  plans[2].huber = true;
  plans[3].kind = spec::TaskPlan::Kind::kMultiLabel;
  plans[3].targets.values = {"bar", "ring"};
  plans.resize(4);
  v1::Task fractions, entropy, counts;
  fractions.mutable_vote_fractions()->set_builtin_tree("kaggle37");
  entropy = fractions;
  entropy.mutable_vote_fractions()->set_loss(v1::VoteFractions::LOSS_CROSS_ENTROPY);
  counts.mutable_vote_counts()->set_builtin_tree("gz2");
  for (const v1::Task& task : {fractions, entropy, counts}) {
    spec::Violations violations;
    plans.push_back(spec::PlanTask(task, violations));
    EXPECT_TRUE(violations.ToStatus().ok()) << violations.ToStatus();
  }
  TaskFacts facts;
  facts.classes = {"a", "b"};
  facts.class_weights = {0.5, 2.0};
  facts.target_mean = {0.1, 0.2};
  facts.target_deviation = {1.0, 2.0};
  std::vector<std::unique_ptr<Task>> tasks;
  for (const spec::TaskPlan& plan : plans) tasks.push_back(*MakeTask(plan, facts, kCpu));
  return tasks;
}

TEST(StepWaitsTest, NoTaskDoes) {
  for (const auto& task : EveryTask()) {
    Batch batch = {{}, at::arange(8) % 2, at::rand({8, task->outputs()}), at::rand({8})};
    const at::Tensor outputs = at::randn({8, task->outputs()}).set_requires_grad(true);
    {
      const Watch watch;
      const at::Tensor share = task->LossWeight(batch.Part(0, 4)) / task->LossWeight(batch);
      (task->Loss(outputs, batch) + task->Loss(outputs, PartnersOf(batch)) * share).backward();
      task->TrainSum(outputs.detach(), batch);
    }
    EXPECT_THAT(Watch::Waits(), testing::IsEmpty()) << task->name();
    EXPECT_GT(Watch::Times("aten::"), 10) << task->name();
  }
}

}  // namespace
}  // namespace skytrain::training
