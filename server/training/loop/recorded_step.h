#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "c10/core/Device.h"
#include "server/spec/plan.h"
#include "server/training/gpu/step_graph.h"
#include "server/training/input/batch_stream.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// What one training step is given, and the next one has other values of.
struct StepValues {
  Batch batch;
  // float32 [2]: what mixed samples keep of themselves, and what they have of their partners;
  // undefined: they are not mixed. Stands for the batch's mix_share.
  at::Tensor shares;
  at::Tensor lr;  // As of Optimizer::Step.
  StepDraw draw;
};

// What a batch's (first) pass found, on the device.
struct StepFound {
  at::Tensor loss;       // float32 scalar: the batch's mean.
  at::Tensor train_sum;  // Task::TrainSum.
};

// Why the steps of a run are not recorded; empty: they are. A pure function.
std::string WhyNotRecorded(const spec::TrainingPlan& plan, const c10::Device& device);

// A training step that a device replays:
//   1. each step's values are copied into tensors that stay where they are;
//   2. the first kWarmUps steps run as they are, on those tensors;
//   3. the next one is recorded, and it and all later ones are replayed.
// So no step is lost, and a resumed run, which records anew, does the same arithmetic as one that
// replays. Where the device cannot record the step it runs as it is for good, and stderr says why.
// Not thread-safe.
class RecordedStep {
 public:
  using Work = std::function<StepFound(const StepValues&)>;
  static constexpr int kWarmUps = 3;

  // `work`: the whole step, optimizer included. `plan` and `model`, prepared, must outlive it.
  RecordedStep(const spec::TrainingPlan& plan, Model& model, std::unique_ptr<StepGraph> graph,
               Work work);
  RecordedStep(const RecordedStep&) = delete;
  RecordedStep& operator=(const RecordedStep&) = delete;

  // Whether Run can take `batch`: one of the shapes of the first that it took, as long as the
  // device records.
  bool Takes(const Batch& batch) const;

  // As TrainingStep::Run. The host waits for nothing, and the tensors returned are the caller's.
  StepFound Run(const Batch& batch, int64_t step, double lr);

 private:
  void MakeValues(const Batch& batch);
  void Fill(const Batch& batch, int64_t step, double lr);
  void Record();
  void Replay();
  void OutdateCopies();
  std::vector<int64_t> Counters() const;
  void SetCounters(const std::vector<int64_t>& values);

  const spec::TrainingPlan& plan_;
  Model& model_;
  std::unique_ptr<StepGraph> graph_;  // Null: the device cannot record the step.
  const StepGraph::Work work_;        // From values_ to found_.
  StepValues values_;
  StepFound found_;
  int warm_ups_ = 0;
  bool recorded_ = false;
  // The model's buffers on the host, which no device counts up, and what a step adds to each.
  std::vector<at::Tensor> counters_;  // int64 scalars
  std::vector<int64_t> counted_;
};

}  // namespace skytrain::training
