#include "server/training/models/model.h"

#include <cmath>
#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"

namespace skytrain::training {

at::Tensor Model::AddParameter(const std::string& name, at::Tensor tensor, bool decay) {
  parameters_.push_back({name, tensor, decay, stage_});
  return tensor;
}

at::Tensor Model::AddBuffer(const std::string& name, at::Tensor tensor) {
  buffers_.push_back({name, tensor});
  buffer_stages_.push_back(stage_);
  return tensor;
}

at::Tensor Model::Forward(const at::Tensor& input, at::Tensor* features) {
  const bool fp32 = !training_ || precision_ == spec::Precision::kFp32;
  const at::Tensor found = Features(fp32 ? input : input.to(at::kBFloat16));
  if (features != nullptr) *features = found;
  return Logits(found).to(at::kFloat);
}

void Model::Prepare(const c10::Device& device, spec::Precision precision) {
  const at::NoGradGuard no_grad;
  precision_ = precision;
  for (Parameter& parameter : parameters_) {
    const at::Tensor& tensor = parameter.tensor;
    const auto format =
        tensor.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    tensor.set_data(tensor.to(device).contiguous(format));
    tensor.set_requires_grad(!frozen_.contains(parameter.stage));
  }
  for (NamedTensor& buffer : buffers_) {
    // Counters stay on the host: they are only ever read when a checkpoint is written.
    if (buffer.tensor.is_floating_point()) buffer.tensor.set_data(buffer.tensor.to(device));
  }
}

void Model::SetLayerDecay(double decay) {
  const int head = parameters_.back().stage;
  for (Parameter& parameter : parameters_) {
    parameter.lr_scale = std::pow(decay, head - parameter.stage);
  }
}

std::string Model::Head() const {
  const std::string& bias = parameters_.back().name;
  return bias.substr(0, bias.rfind('.'));
}

int64_t Model::FeatureCount() const {
  // HEAD.weight [outputs, features], before HEAD.bias.
  return parameters_[parameters_.size() - 2].tensor.size(1);
}

std::vector<at::Tensor> Model::TrainedStatistics() const {
  std::vector<at::Tensor> statistics;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const at::Tensor& tensor = buffers_[i].tensor;
    if (tensor.is_floating_point() && !frozen_.contains(buffer_stages_[i])) {
      statistics.push_back(tensor);
    }
  }
  return statistics;
}

std::vector<NamedTensor> Model::State() const {
  std::vector<NamedTensor> state;
  state.reserve(parameters_.size() + buffers_.size());
  for (const Parameter& parameter : parameters_) {
    state.push_back({parameter.name, parameter.tensor});
  }
  state.insert(state.end(), buffers_.begin(), buffers_.end());
  return state;
}

int64_t Model::ParameterCount() const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.tensor.numel();
  return count;
}

}  // namespace skytrain::training
