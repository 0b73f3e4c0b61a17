#pragma once

#include <cstdint>
#include <string>

#include "ATen/core/Generator.h"
#include "ATen/core/Tensor.h"
#include "server/training/models/convolution.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Layers are plain structs of tensors that register themselves with their model under
// torch.nn's names. Their parameters are float32; an input in bfloat16 is computed on in bfloat16,
// with a copy of the weights.

// Starting weights. `shape`: of a weight, [out, in / groups, kernel, kernel] or [out, in].
// Kaiming-normal, fan_out, gain of ReLU (He et al. 2015, arXiv:1502.01852).
at::Tensor KaimingNormal(at::IntArrayRef shape, at::Generator& generator);
at::Tensor Normal(at::IntArrayRef shape, double deviation, at::Generator& generator);
// Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010).
at::Tensor XavierUniform(at::IntArrayRef shape, at::Generator& generator);
at::Tensor Uniform(at::IntArrayRef shape, double bound, at::Generator& generator);

struct Conv2d {
  at::Tensor weight;  // [out, in / groups, kernel, kernel]
  at::Tensor bias;    // [out], or undefined: none.
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
  WorkingCopy copy;

  // KaimingNormal and no bias, as torchvision's ResNet starts.
  static Conv2d Make(Model& model, const std::string& name, int64_t in, int64_t out, int64_t kernel,
                     int64_t stride, int64_t padding, at::Generator& generator);
  // With a bias of zeros where `biased`.
  static Conv2d Make(Model& model, const std::string& name, at::Tensor weight, bool biased,
                     int64_t stride, int64_t padding, int64_t groups = 1);
  at::Tensor operator()(const at::Tensor& x) const;
};

// Ioffe & Szegedy 2015, arXiv:1502.03167; momentum 0.1, eps 1e-5.
struct BatchNorm2d {
  at::Tensor weight, bias, running_mean, running_var;  // [channels]
  at::Tensor num_batches_tracked;                      // int64 scalar on the host

  static BatchNorm2d Make(Model& model, const std::string& name, int64_t channels);
  at::Tensor operator()(const at::Tensor& x, bool training) const;
  // ReLU of the norm, and of `residual` added to it where that is defined: fewer passes over memory
  // than the operations one by one.
  at::Tensor Rectified(const at::Tensor& x, bool training, const at::Tensor& residual = {}) const;

 private:
  // Undefined where there is no fused way.
  at::Tensor Fused(const at::Tensor& x, bool training, const at::Tensor& residual, bool relu) const;
};

struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]

  // Uniform in +-1/sqrt(in), as torch.nn.Linear starts.
  static Linear Make(Model& model, const std::string& name, int64_t in, int64_t out,
                     at::Generator& generator);
  static Linear Make(Model& model, const std::string& name, at::Tensor weight, at::Tensor bias);
  at::Tensor operator()(const at::Tensor& x) const;
};

// Ba et al. 2016, arXiv:1607.06450, over the last dimension, [..., channels]; eps 1e-6.
struct LayerNorm {
  at::Tensor weight, bias;  // [channels]

  static LayerNorm Make(Model& model, const std::string& name, int64_t channels);
  at::Tensor operator()(const at::Tensor& x) const;
};

}  // namespace skytrain::training
