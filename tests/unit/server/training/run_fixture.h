#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/clock.h"
#include "gtest/gtest.h"
#include "memory_dataset.h"
#include "server/training/checkpoint/tensor_io.h"
#include "server/training/loop/trainer.h"
#include "server/training/precision.h"
#include "tests/support/temp_dir.h"

namespace skytrain::training {

// Records, and asks for a stop or a checkpoint when a step was made.
class ScriptedSink final : public RecordingSink {
 public:
  explicit ScriptedSink(RunControl& control) : control_(control) {}
  void Metric(absl::string_view name, int64_t step, int epoch, double value) override {
    RecordingSink::Metric(name, step, epoch, value);
    if (name != "train/loss") return;
    if (step == stop_at) control_.stop = true;
    if (step == checkpoint_at) control_.checkpoint = true;
  }
  // Asks for a stop when a phase of this name begins in this epoch.
  void Progress(const v1::Progress& progress) override {
    RecordingSink::Progress(progress);
    if (progress.phase() == stop_phase && progress.epoch() == stop_epoch) control_.stop = true;
  }
  int64_t stop_at = -1, checkpoint_at = -1;
  std::string stop_phase;
  int stop_epoch = -1;

 private:
  RunControl& control_;
};

struct Script {
  std::string resume_from = {};
  int64_t stop_at = -1, checkpoint_at = -1;
  std::string stop_phase = {};
  int stop_epoch = -1;
  c10::Device device = c10::Device(c10::kCPU);
};

struct Ran {
  absl::Status status;
  TrainingOutcome outcome;
  std::vector<NamedTensor> weights;
  std::map<std::string, std::vector<RecordingSink::Point>> metrics;
  std::vector<v1::Event> events;
  std::vector<v1::Progress> progress;
};

inline Ran RunTraining(FileSystem& fs, const std::string& folder, const spec::TrainingPlan& plan,
                       const data::Dataset& dataset, const Script& script = {},
                       const LoadedModel* init = nullptr) {
  at::set_num_threads(1);  // Toys are faster with one.
  RunControl control;
  ScriptedSink sink(control);
  sink.stop_at = script.stop_at;
  sink.checkpoint_at = script.checkpoint_at;
  sink.stop_phase = script.stop_phase;
  sink.stop_epoch = script.stop_epoch;
  CheckpointWriter checkpoints(fs, folder, plan.checkpoint_keep);
  Ran ran;
  auto trainer = Trainer::Make({plan,
                                dataset,
                                script.device,
                                sink,
                                control,
                                checkpoints,
                                Clock::Real(),
                                {"test", "", PrecisionName(plan.precision), "cpu", plan.seed, 1, 1},
                                init});
  ran.status = trainer.status();
  if (ran.status.ok() && !script.resume_from.empty()) {
    const auto checkpoint = LoadCheckpoint(fs, script.resume_from);
    ran.status = checkpoint.ok() ? (*trainer)->Restore(*checkpoint) : checkpoint.status();
  }
  if (ran.status.ok()) {
    const auto outcome = (*trainer)->Run();
    ran.status = outcome.status();
    if (outcome.ok()) ran.outcome = *outcome;
    ran.weights = CloneTensors((*trainer)->model().State());
  }
  ran.metrics = sink.metrics();
  ran.events = sink.events();
  ran.progress = sink.progress();
  return ran;
}

// Three classes of 16 px images, 96 for training: 6 steps an epoch, 3 epochs.
inline spec::TrainingPlan SmallPlan() {
  spec::TrainingPlan plan;
  plan.model.family = spec::ModelPlan::Family::kSmallCnn;
  plan.model.width = 4;
  plan.view.size = 16;
  plan.augment = {true, true};
  plan.epochs = 3;
  plan.batch_size = 16;
  plan.seed = 5;
  plan.optimizer.lr = 0.01;
  return plan;
}

inline MemoryDataset SmallImages() { return MemoryDataset::Images(150, 16, 3); }

// Bit for bit.
inline void ExpectSameWeights(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b,
                              const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  ASSERT_FALSE(a.empty()) << what;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name) << what;
    EXPECT_TRUE(a[i].tensor.equal(b[i].tensor)) << what << ": " << a[i].name;
  }
}

}  // namespace skytrain::training
