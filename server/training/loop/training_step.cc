#include "server/training/loop/training_step.h"

#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "server/training/models/kept_buffers.h"

namespace skytrain::training {
namespace {

// A batch's labels (or its partners', where it is mixed) and what their loss counts for.
struct Side {
  Batch batch;
  at::Tensor share;   // float32 scalar; undefined: of a batch that is not mixed.
  at::Tensor weight;  // Task::LossWeight of the whole batch; undefined: it is not divided.
};

std::vector<Side> SidesOf(const StepValues& values, const Task& task, bool divided) {
  std::vector<Side> sides = {{values.batch, {}, {}}};
  if (values.shares.defined()) {
    sides = {{values.batch, values.shares.select(0, 0), {}},
             {PartnersOf(values.batch), values.shares.select(0, 1), {}}};
  }
  if (divided) {
    for (Side& side : sides) side.weight = task.LossWeight(side.batch);
  }
  return sides;
}

// Of samples first..first+count-1.
at::Tensor LossOf(const at::Tensor& outputs, const Side& side, const Task& task, int64_t first,
                  int64_t count) {
  if (!side.weight.defined()) return task.Loss(outputs, side.batch);
  const Batch part = side.batch.Part(first, count);
  return task.Loss(outputs, part) * (task.LossWeight(part) / side.weight);
}

}  // namespace

TrainingStep::TrainingStep(const spec::TrainingPlan& plan, Model& model, const Task& task,
                           Optimizer& optimizer, std::unique_ptr<StepGraph> graph)
    : plan_(plan), model_(model), task_(task), optimizer_(optimizer) {
  const spec::OptimizerPlan& chosen = plan.optimizer;
  if (chosen.sam_rho > 0.0) sharpness_.emplace(chosen.sam_rho, chosen.sam_adaptive, optimizer);
  if (graph == nullptr) return;
  recorded_.emplace(plan, model, std::move(graph), [this](const StepValues& values) {
    Found found;
    Compute(values, [&](const Found& of_batch) {
      found = of_batch;
      return true;
    });
    return found;
  });
}

bool TrainingStep::Run(const Batch& batch, int64_t step, double lr, const Look& look) {
  if (recorded_ && recorded_->Takes(batch)) return look(recorded_->Run(batch, step, lr));
  StepValues values = {batch, {}, at::scalar_tensor(lr, at::kDouble), {plan_.seed, step, 0}};
  if (batch.mix_share < 1.0) {
    values.shares = at::tensor({batch.mix_share, 1.0 - batch.mix_share}, at::kFloat);
  }
  return Compute(values, look);
}

bool TrainingStep::Compute(const StepValues& values, const Look& look) {
  if (!Pass(values, look)) return false;
  if (sharpness_) {
    sharpness_->Climb();
    const KeptBuffers kept(model_);
    Pass(values, [](const Found&) { return true; });
    sharpness_->Return();
  }
  if (plan_.clip_grad_norm > 0.0) optimizer_.ClipGradients(plan_.clip_grad_norm);
  optimizer_.Step(values.lr);
  return true;
}

bool TrainingStep::Pass(const StepValues& values, const Look& look) {
  const int64_t size = plan_.micro_batch > 0 ? plan_.micro_batch : plan_.batch_size;
  const std::vector<Side> sides = SidesOf(values, task_, /*divided=*/size < plan_.batch_size);
  Found found;
  for (int64_t first = 0; first < plan_.batch_size; first += size) {
    StepDraw draw = values.draw;
    draw.first_sample = first;
    model_.SetDraw(draw);
    const Batch part = values.batch.Part(first, size);
    const at::Tensor outputs = model_.Forward(part.input);
    at::Tensor loss = LossOf(outputs, sides[0], task_, first, size);
    if (sides.size() > 1) {
      loss = loss * sides[0].share + LossOf(outputs, sides[1], task_, first, size) * sides[1].share;
    }
    const at::Tensor sum = task_.TrainSum(outputs.detach(), part);
    found.loss = first == 0 ? loss.detach() : found.loss + loss.detach();
    found.train_sum = first == 0 ? sum : found.train_sum + sum;
    if (first + size == plan_.batch_size && !look(found)) return false;
    if (first == 0) optimizer_.ClearGradients();
    loss.backward();
  }
  return true;
}

}  // namespace skytrain::training
