#include "server/training/loop/recorded_step.h"

#include <array>
#include <cstdio>
#include <utility>

#include "ATen/ATen.h"
#include "server/training/input/to_device.h"
#include "server/training/models/convolution.h"
#include "server/training/models/dropout.h"

namespace skytrain::training {
namespace {

template <typename BatchType>
auto TensorsOf(BatchType& batch) {
  return std::array{&batch.input, &batch.labels, &batch.targets, &batch.weights};
}

}  // namespace

std::string WhyNotRecorded(const spec::TrainingPlan& plan, const c10::Device& device) {
  if (!device.is_cuda()) return "only GPUs record";
  if (plan.find_lr) return "a search for a learning rate looks at each loss before it goes on";
  return "";
}

RecordedStep::RecordedStep(const spec::TrainingPlan& plan, Model& model,
                           std::unique_ptr<StepGraph> graph, Work work)
    : plan_(plan), model_(model), graph_(std::move(graph)), work_([this, work = std::move(work)] {
        const StepFound found = work(values_);
        if (!found_.loss.defined()) found_ = {found.loss.clone(), found.train_sum.clone()};
        found_.loss.copy_(found.loss);
        found_.train_sum.copy_(found.train_sum);
      }) {
  for (const NamedTensor& buffer : model.buffers()) {
    if (buffer.tensor.scalar_type() == at::kLong) counters_.push_back(buffer.tensor);
  }
}

bool RecordedStep::Takes(const Batch& batch) const {
  if (graph_ == nullptr) return false;
  if (!values_.batch.input.defined()) return true;
  const auto kept = TensorsOf(values_.batch), given = TensorsOf(batch);
  for (size_t i = 0; i < kept.size(); ++i) {
    if (kept[i]->defined() != given[i]->defined()) return false;
    if (kept[i]->defined() && kept[i]->sizes() != given[i]->sizes()) return false;
  }
  return true;
}

StepFound RecordedStep::Run(const Batch& batch, int64_t step, double lr) {
  if (!values_.batch.input.defined()) MakeValues(batch);
  Fill(batch, step, lr);
  if (recorded_) {
    Replay();
  } else if (warm_ups_ < kWarmUps) {
    ++warm_ups_;
    graph_->WarmUp(work_);
  } else {
    Record();
  }
  return {found_.loss.clone(), found_.train_sum.clone()};
}

void RecordedStep::MakeValues(const Batch& batch) {
  const auto kept = TensorsOf(values_.batch);
  const auto given = TensorsOf(batch);
  for (size_t i = 0; i < kept.size(); ++i) {
    if (given[i]->defined()) *kept[i] = at::empty_like(*given[i]);
  }
  const auto floats = at::TensorOptions(batch.input.device()).dtype(at::kFloat);
  if (plan_.mixup > 0.0) values_.shares = at::empty({2}, floats);
  values_.lr = at::empty({}, floats);
  if (model_.DrawingLayers() > 0) {
    values_.draw.keys = at::empty({model_.DrawingLayers()}, floats.dtype(at::kLong));
  }
}

// The device writes them, in the order of its work: behind the replay that reads the last ones.
void RecordedStep::Fill(const Batch& batch, int64_t step, double lr) {
  const auto kept = TensorsOf(values_.batch);
  const auto given = TensorsOf(batch);
  for (size_t i = 0; i < kept.size(); ++i) {
    if (kept[i]->defined()) kept[i]->copy_(*given[i]);
  }
  if (values_.shares.defined()) {
    values_.shares[0].fill_(batch.mix_share);
    values_.shares[1].fill_(1.0 - batch.mix_share);
  }
  values_.lr.fill_(lr);
  if (values_.draw.keys.defined()) {
    const at::Tensor keys = DropoutKeys(plan_.seed, step, model_.DrawingLayers());
    values_.draw.keys.copy_(ToDevice(keys, batch.input.device()));
  }
}

void RecordedStep::Record() {
  const std::vector<int64_t> before = Counters();
  // So that copies of frozen weights, too, are made by the graph: others may go while it lives.
  OutdateCopies();
  const std::string why = graph_->Capture(work_);
  if (!why.empty()) {
    std::fprintf(stderr,
                 "Training steps are not recorded as a graph, which makes them slower: %s\n",
                 why.c_str());
    graph_ = nullptr;
    OutdateCopies();
    SetCounters(before);
    work_();
    return;
  }
  recorded_ = true;
  counted_ = Counters();
  for (size_t i = 0; i < counted_.size(); ++i) counted_[i] -= before[i];
  SetCounters(before);
  Replay();
}

void RecordedStep::Replay() {
  graph_->Replay();
  OutdateCopies();
  std::vector<int64_t> values = Counters();
  for (size_t i = 0; i < values.size(); ++i) values[i] += counted_[i];
  SetCounters(values);
}

void RecordedStep::OutdateCopies() {
  for (const Parameter& parameter : model_.parameters()) WorkingCopy::Outdate(parameter.tensor);
}

std::vector<int64_t> RecordedStep::Counters() const {
  std::vector<int64_t> values;
  for (const at::Tensor& counter : counters_) values.push_back(counter.item<int64_t>());
  return values;
}

void RecordedStep::SetCounters(const std::vector<int64_t>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    *counters_[i].mutable_data_ptr<int64_t>() = values[i];
  }
}

}  // namespace skytrain::training
