#pragma once

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// An average over time of a model's parameters and of its norms' statistics, which is what is
// validated, tested and published; the model itself goes on training. Not thread-safe.
class WeightAverage {
 public:
  // Starts as `model`, which must be prepared and outlive it.
  explicit WeightAverage(const Model& model);

  // average = (1 - share) * average + share * model; with a share of 1 the model, bit for bit.
  void Take(double share);

  // Under the names of Model::State. Shares memory with the average; counters are the model's.
  std::vector<NamedTensor> State() const;

  // As long as it lives, the model has the averaged weights, and what is changed of them stays in
  // the average.
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

  std::vector<NamedTensor> state_;           // As Model::State.
  std::vector<at::Tensor> model_, average_;  // The floating-point ones, in one order.
};

// The share of an exponential moving average (Tarvainen & Valpola 2017, arXiv:1703.01780) after
// optimizer step `step` (from 1): 1 - min(decay, (1 + step) / (10 + step)).
double ExponentialShare(double decay, int64_t step);

// Epochs of `epochs` that are over before the mean of train.swa takes its first weights, `start`
// being the fraction of all; one epoch at least is left. The share of the n-th is 1 / n (Izmailov
// et al. 2018, arXiv:1803.05407).
int EpochsBeforeMean(double start, int epochs);

}  // namespace skytrain::training
