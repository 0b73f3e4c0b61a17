#pragma once

#include <vector>

#include "ATen/ATen.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// When it goes, the model's buffers (running statistics, counters) are what they were when it came,
// bit for bit: passes in training mode leave no trace in between.
class KeptBuffers {
 public:
  explicit KeptBuffers(const Model& model) : model_(model) {
    for (const NamedTensor& buffer : model.buffers()) kept_.push_back(buffer.tensor.clone());
  }
  ~KeptBuffers() {
    for (size_t i = 0; i < kept_.size(); ++i) model_.buffers()[i].tensor.copy_(kept_[i]);
  }
  KeptBuffers(const KeptBuffers&) = delete;
  KeptBuffers& operator=(const KeptBuffers&) = delete;

 private:
  const Model& model_;
  std::vector<at::Tensor> kept_;
};

}  // namespace skytrain::training
