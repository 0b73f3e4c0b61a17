#pragma once

#include <vector>

#include "ATen/core/Tensor.h"
#include "server/training/optim/optimizer.h"

namespace skytrain::training {

// Sharpness-aware minimisation (Foret et al. 2021, arXiv:2010.01412) around any optimizer: before
// the gradient that is stepped by, the weights go to where the loss is worst within a ball about
// them. Adaptive: the ball is measured in units of each weight's size (ASAM, Kwon et al. 2021,
// arXiv:2102.11600). Not thread-safe.
class SharpnessAware {
 public:
  // `rho`: radius of the ball. `optimizer`, whose parameters are moved, must outlive it.
  SharpnessAware(double rho, bool adaptive, const Optimizer& optimizer);

  // Adds to the weights w, whose gradients are g,
  //   rho * g / |g|, or, adaptive, rho * T^2 g / |T g| with T = |w| + 0.01.
  void Climb();
  // Brings the weights back to where they were before Climb, bit for bit.
  void Return();

 private:
  const double rho_;
  const bool adaptive_;
  const Optimizer& optimizer_;
  std::vector<at::Tensor> weights_, kept_;  // kept_: what the weights were.
};

}  // namespace skytrain::training
