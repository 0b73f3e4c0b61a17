#pragma once

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "server/training/input/gather.h"
#include "server/training/input/normalisation.h"
#include "server/training/models/model.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// A trained model that is asked, and what it needs beside the network. All of it must outlive the
// predictor.
struct PredictingModel {
  Model& model;
  const Task& task;
  const Normalisation& normalisation;
  uint64_t seed = 0;  // Of what dropout drops.
  // For each class the one of its mirror image; empty: its own.
  std::vector<int32_t> mirrored_classes = {};
};

struct PredictOptions {
  bool dihedral = false;    // Each image in its eight turns and mirror images.
  int dropout_samples = 0;  // Passes with dropout left on; 0: one without.
  bool features = false;    // The first model's, too.
};

// What samples are predicted to be.
struct Predicted {
  at::Tensor outputs;  // float32 [N, Task::outputs()] of the first model's task: for its metrics.
  at::Tensor predictions;  // float32 [N, Task::prediction_names()], averaged over the passes.
  // Their standard deviation over the passes (of those passes, not of others like them), of the
  // same shape; undefined where there is one pass only.
  at::Tensor spread;
  // Inputs of the first model's last layer in its first pass, float32 [N, F]; undefined unless
  // asked for.
  at::Tensor features = {};
};

// Asks one model or several of the same task, each once or in several ways, and averages their
// predictions. Not thread-safe.
class Predictor {
 public:
  // `models`: at least one. Inputs are normalised as for the first.
  Predictor(std::vector<PredictingModel> models, const PredictOptions& options);

  const Task& task() const { return models_.front().task; }
  int64_t passes() const;  // Of each sample.
  // Width of Predicted::features; 0: they were not asked for.
  int64_t features() const;

  // `input` float32 [N, 3, S, S] or [N, F], from a source with the first model's normalisation; its
  // first sample is number `position` of all that are predicted, from which dropout draws. Records
  // no gradients and leaves the models in evaluation mode.
  Predicted Predict(const at::Tensor& input, int64_t position);

 private:
  struct Scale {
    at::Tensor scale, bias;  // Broadcast over an input; undefined: it is as the model wants it.
  };
  static Scale ScaleOf(const Normalisation& from, const Normalisation& to);

  const std::vector<PredictingModel> models_;
  const PredictOptions options_;
  std::vector<Scale> scales_;         // From the first model's inputs to each model's.
  std::vector<at::Tensor> mirrored_;  // int64 [K] of each model; undefined: classes stay.
};

// `images` [N, C, S, S] turned: see Turn.
at::Tensor Turned(const at::Tensor& images, Turn turn);

}  // namespace skytrain::training
