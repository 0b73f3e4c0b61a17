#pragma once

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// An exponential moving average of a model's parameters and of its norms' statistics (Tarvainen &
// Valpola 2017, arXiv:1703.01780), which is what is validated, tested and published; the model
// itself goes on training.
// Not thread-safe.
class WeightAverage {
 public:
  // Starts as `model`, which must be prepared and outlive it.
  WeightAverage(double decay, const Model& model);

  // average = d * average + (1 - d) * model, after optimizer step `step` (from 1), where d is
  // min(decay, (1 + step) / (10 + step)).
  void Update(int64_t step);

  // Under the names of Model::State. Shares memory with the average; counters are the model's.
  std::vector<NamedTensor> State() const;

  // As long as it lives, the model has the averaged weights.
  class Lent {
   public:
    explicit Lent(WeightAverage& average) : average_(average) { average_.Exchange(); }
    ~Lent() { average_.Exchange(); }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;

   private:
    WeightAverage& average_;
  };

 private:
  void Exchange();

  const double decay_;
  std::vector<NamedTensor> state_;          // As Model::State.
  std::vector<at::Tensor> model_, average_;  // The floating-point ones, in one order.
};

}  // namespace skytrain::training
