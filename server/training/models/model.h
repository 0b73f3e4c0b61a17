#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/container/flat_hash_set.h"
#include "c10/core/Device.h"
#include "server/spec/plan.h"

namespace skytrain::training {

struct NamedTensor {
  std::string name;  // As torchvision names it, "layer1.0.bn2.weight".
  at::Tensor tensor;
};

struct Parameter {
  std::string name;
  at::Tensor tensor;
  // False for norms and biases, which are never decayed.
  bool decay = true;
  int stage = 0;          // As Model::BeginStage counts them.
  double lr_scale = 1.0;  // Of the optimizer's learning rate.
};

// Where the random numbers of a training step come from: masks are pure functions of these, of the
// layer, and of a sample's place in its batch.
struct StepDraw {
  uint64_t seed = 0;
  int64_t step = 0;
  int64_t first_sample = 0;  // Place in the step's batch of the first sample that is shown.
  // Dropout, and it alone, draws in evaluation mode too (Gal & Ghahramani 2016, arXiv:1506.02142).
  bool always = false;
  // DropoutKeys of seed and step on the model's device, for recorded steps, which read them there;
  // undefined: the host makes them.
  at::Tensor keys = {};
};

// A network: parameters and buffers under stable names, and the forward pass. Not thread-safe.
// The tensors are owned here and shared with the layers; they are changed in place, never replaced.
class Model {
 public:
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // Logits [N, K], float32, of float32 inputs [N, 3, S, S] or [N, F]. In training mode the layers
  // compute in the precision that Prepare was told; else in float32, as whoever loads the published
  // weights will.
  // `features`, where given, becomes the last layer's input [N, F].
  at::Tensor Forward(const at::Tensor& input, at::Tensor* features = nullptr);

  spec::Precision precision() const { return precision_; }

  // Batch statistics and their running means are updated only in training mode, and nothing is
  // dropped at random in evaluation mode, unless SetDraw says so.
  void SetTraining(bool training) { training_ = training; }
  bool training() const { return training_; }
  bool training(int stage) const { return training_ && !frozen_.contains(stage); }

  // Before Prepare: the parameters of `stage` record no gradients, and it always runs in evaluation
  // mode.
  void Freeze(int stage) { frozen_.insert(stage); }
  // The learning rate of each stage is that of the stage behind it times `decay`; the head's is the
  // optimizer's.
  void SetLayerDecay(double decay);

  // Of the next Forward in training mode, or in any where it says `always`.
  void SetDraw(const StepDraw& draw) { draw_ = draw; }
  const StepDraw& draw() const { return draw_; }

  // Moves everything to `device`, convolution weights as channels_last, and lets parameters that
  // are not frozen record gradients. They stay float32, whatever `precision` says. Call once,
  // before the first Forward.
  void Prepare(const c10::Device& device, spec::Precision precision = spec::Precision::kFp32);

  const std::vector<Parameter>& parameters() const { return parameters_; }
  const std::vector<NamedTensor>& buffers() const { return buffers_; }
  // Running means and variances that training changes: not those of frozen stages.
  std::vector<at::Tensor> TrainedStatistics() const;
  // Parameters and buffers: what model.safetensors holds. Shares memory with the model.
  std::vector<NamedTensor> State() const;
  int64_t ParameterCount() const;
  // Name of the last layer: its parameters are HEAD.weight and HEAD.bias.
  std::string Head() const;
  // Values of the last layer's input.
  int64_t FeatureCount() const;

  // What is added from here on belongs to `stage`: one of those that spec::StageNames lists, or the
  // one after them, which is the head.
  void BeginStage(int stage) { stage_ = stage; }
  at::Tensor AddParameter(const std::string& name, at::Tensor tensor, bool decay);
  at::Tensor AddBuffer(const std::string& name, at::Tensor tensor);
  // A number for a layer that draws, 0, 1, … in the order of asking.
  uint64_t AddDrawingLayer() { return drawing_layers_++; }
  int64_t DrawingLayers() const { return static_cast<int64_t>(drawing_layers_); }

 protected:
  Model() = default;

  // The network without its last layer, and that. Layers take their precision from what they are
  // given (float32 or bfloat16), and parameters that are used without a layer have to be brought to
  // it.
  virtual at::Tensor Features(const at::Tensor& input) = 0;
  virtual at::Tensor Logits(const at::Tensor& features) = 0;

 private:
  bool training_ = true;
  spec::Precision precision_ = spec::Precision::kFp32;
  int stage_ = 0;
  absl::flat_hash_set<int> frozen_;
  uint64_t drawing_layers_ = 0;
  StepDraw draw_;
  std::vector<Parameter> parameters_;
  std::vector<NamedTensor> buffers_;
  std::vector<int> buffer_stages_;  // Of each buffer.
};

}  // namespace skytrain::training
