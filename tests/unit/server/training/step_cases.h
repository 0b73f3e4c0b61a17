#pragma once

// Kinds of training steps, and a run of each: of a step that is recorded as of one that is not, on
// the CPU (recorded_step_test.cc) as on a GPU (tests/gpu/step_graph_test.cc).
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/data/random.h"
#include "server/training/loop/training_step.h"
#include "server/training/models/factory.h"
#include "tests/unit/server/training/run_fixture.h"

namespace skytrain::training {

struct StepCase {
  std::string name;
  spec::TrainingPlan plan;
  int frozen_stage = -1;
};

inline std::vector<StepCase> StepCases() {
  using Kind = spec::OptimizerPlan::Kind;
  std::vector<StepCase> cases;
  const auto add = [&](const std::string& name, const std::function<void(StepCase&)>& change) {
    cases.push_back({name, SmallPlan()});
    change(cases.back());
  };
  add("adamw, clipped", [](StepCase& it) { it.plan.clip_grad_norm = 0.05; });
  add("adam", [](StepCase& it) { it.plan.optimizer.kind = Kind::kAdam; });
  add("sgd", [](StepCase& it) { it.plan.optimizer.kind = Kind::kSgd; });
  add("sgd with nesterov momentum, clipped", [](StepCase& it) {
    it.plan.optimizer.kind = Kind::kSgd;
    it.plan.optimizer.momentum = 0.9;
    it.plan.optimizer.nesterov = true;
    it.plan.clip_grad_norm = 0.05;
  });
  add("muon", [](StepCase& it) {
    it.plan.optimizer.kind = Kind::kMuon;
    it.plan.optimizer.momentum = 0.95;
    it.plan.optimizer.weight_decay = 0.0;
    it.plan.optimizer.lr = 0.03125;
    it.plan.optimizer.adamw_lr = 0.0078125;
  });
  add("sam", [](StepCase& it) { it.plan.optimizer.sam_rho = 0.05; });
  add("adaptive sam in parts", [](StepCase& it) {
    it.plan.optimizer.sam_rho = 0.5;
    it.plan.optimizer.sam_adaptive = true;
    it.plan.micro_batch = 4;
  });
  add("mixup", [](StepCase& it) { it.plan.mixup = 0.4; });
  add("mixup in parts, of weighted classes", [](StepCase& it) {
    it.plan.mixup = 1.0;
    it.plan.micro_batch = 8;
    it.plan.task.class_weight_power = 1.0;
    it.plan.task.focal_gamma = 2.0;
    it.plan.task.label_smoothing = 0.1;
  });
  add("dropout in parts", [](StepCase& it) {
    it.plan.model.family = spec::ModelPlan::Family::kResnet;
    it.plan.model.channels = 4;
    it.plan.model.dropout = 0.4;
    it.plan.micro_batch = 8;
  });
  add("bf16, frozen stage", [](StepCase& it) {
    it.plan.precision = spec::Precision::kBf16;
    it.frozen_stage = 1;
  });
  return cases;
}

// float32 has these exactly, in which a recorded step is told.
inline double StepRate(int64_t step) { return 0.03125 / static_cast<double>(1 << step % 3); }

// A model in training, with whatever steps it.
struct StepRun {
  // Null: the step is not recorded.
  using MakeGraph = std::function<std::unique_ptr<StepGraph>(const Model&, const Optimizer&)>;

  StepRun(const StepCase& of, const data::Dataset& dataset, const c10::Device& device,
          const MakeGraph& make_graph)
      : plan(of.plan),
        source(dataset, plan.view.size, *MakeNormalisation(plan.view, dataset), device),
        task(*MakeTask(plan.task, FactsOf(plan.task, dataset), device)),
        model(*MakeModel(plan.model, task->outputs(), source.inputs(), plan.seed)) {
    if (of.frozen_stage >= 0) model->Freeze(of.frozen_stage);
    model->Prepare(device, plan.precision);
    optimizer = std::make_unique<Optimizer>(plan.optimizer, *model);
    step = std::make_unique<TrainingStep>(plan, *model, *task, *optimizer,
                                          make_graph ? make_graph(*model, *optimizer) : nullptr);
  }

  // Steps first..last-1, over as many epochs as these are. What they find is read at the end, as
  // the trainer does.
  void Run(int64_t first, int64_t last) {
    const auto size = static_cast<int64_t>(source.dataset().train().size());
    const int64_t per_epoch = size / plan.batch_size;
    for (int64_t at = first; at < last;) {
      BatchOrder order;
      order.epoch = 1 + at / per_epoch;
      order.samples = data::EpochOrder(plan.seed, order.epoch, size);
      order.batch_size = plan.batch_size;
      order.drop_short = true;
      order.first_batch = at % per_epoch;
      order.augment = plan.augment;
      order.mixup = plan.mixup;
      order.seed = plan.seed;
      BatchStream stream(source, std::move(order));
      for (std::optional<Batch> batch; at < last && (batch = stream.Next()); ++at) Do(*batch, at);
    }
  }

  void Do(const Batch& batch, int64_t at) {
    step->Run(batch, at, StepRate(at), [&](const TrainingStep::Found& found) {
      losses.push_back(found.loss);
      sums.push_back(found.train_sum);
      return true;
    });
  }

  // Weights, statistics, counters, the optimizer's state, losses and sums, on the CPU.
  std::vector<NamedTensor> Everything() const {
    std::vector<NamedTensor> all;
    for (const std::vector<NamedTensor>& state : {model->State(), optimizer->State()}) {
      for (const NamedTensor& one : state) {
        all.push_back({one.name, one.tensor.detach().cpu().clone()});
      }
    }
    all.push_back({"losses", at::stack(losses).cpu()});
    all.push_back({"sums", at::stack(sums).cpu()});
    return all;
  }

  const spec::TrainingPlan plan;
  const BatchSource source;
  const std::unique_ptr<Task> task;
  const std::unique_ptr<Model> model;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<TrainingStep> step;
  std::vector<at::Tensor> losses, sums;
};

}  // namespace skytrain::training
