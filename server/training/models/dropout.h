#pragma once

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Layers that drop values at random in training. What they drop is a pure function of (seed, step,
// layer, place of the sample in the batch, place of the value in memory): a resumed run draws what
// an unbroken one would, and a batch that is shown in parts what a whole one would.

// Each value with probability `p` becomes 0, the others are divided by 1 - p (Srivastava et al.
// 2014).
class Dropout {
 public:
  Dropout() = default;
  static Dropout Make(Model& model, double p) { return {p, model.AddDrawingLayer()}; }
  // `x`: [N, …]. The same tensor where nothing is dropped.
  at::Tensor operator()(const at::Tensor& x, bool training, const StepDraw& draw) const;

 private:
  Dropout(double p, uint64_t layer) : p_(p), layer_(layer) {}
  double p_ = 0.0;
  uint64_t layer_ = 0;
};

// Stochastic depth (Huang et al. 2016, arXiv:1603.09382): with probability `p` all of a sample's
// values become 0, else they are divided by 1 - p.
class StochasticDepth {
 public:
  StochasticDepth() = default;
  static StochasticDepth Make(Model& model, double p) { return {p, model.AddDrawingLayer()}; }
  at::Tensor operator()(const at::Tensor& x, bool training, const StepDraw& draw) const;

 private:
  StochasticDepth(double p, uint64_t layer) : p_(p), layer_(layer) {}
  double p_ = 0.0;
  uint64_t layer_ = 0;
};

// True with probability 1 - p for each of `count` counters from `first` on, bool [count]. On the
// CPU one loop, elsewhere KeepMaskByOperations.
at::Tensor KeepMask(uint64_t key, int64_t first, int64_t count, double p,
                    const c10::Device& device);
// The same bits by integer operations of any device. `key`: an int64 scalar, there or on the CPU.
at::Tensor KeepMaskByOperations(const at::Tensor& key, int64_t first, int64_t count, double p,
                                const c10::Device& device);

// What step `step` has for each of a model's layers that draw: int64 [layers], on the CPU.
at::Tensor DropoutKeys(uint64_t seed, int64_t step, int64_t layers);

}  // namespace skytrain::training
