#include "server/training/models/layers.h"

#include <cmath>

#include "ATen/ATen.h"
#include "server/training/models/bf16_batch_norm.h"

namespace skytrain::training {

Conv2d Conv2d::Make(Model& model, const std::string& name, int64_t in, int64_t out, int64_t kernel,
                    int64_t stride, int64_t padding, at::Generator& generator) {
  Conv2d conv;
  const double fan_out = static_cast<double>(out * kernel * kernel);
  conv.weight = model.AddParameter(
      name + ".weight",
      at::empty({out, in, kernel, kernel}).normal_(0.0, std::sqrt(2.0 / fan_out), generator), true);
  conv.stride = stride;
  conv.padding = padding;
  return conv;
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  if (x.scalar_type() == at::kBFloat16) {
    return Bf16Convolution(x, weight, copy.Of(weight), {weight.size(2), stride, padding});
  }
  return at::conv2d(x, weight, {}, {stride, stride}, {padding, padding});
}

BatchNorm2d BatchNorm2d::Make(Model& model, const std::string& name, int64_t channels) {
  BatchNorm2d norm;
  norm.weight = model.AddParameter(name + ".weight", at::ones({channels}), false);
  norm.bias = model.AddParameter(name + ".bias", at::zeros({channels}), false);
  norm.running_mean = model.AddBuffer(name + ".running_mean", at::zeros({channels}));
  norm.running_var = model.AddBuffer(name + ".running_var", at::ones({channels}));
  norm.num_batches_tracked =
      model.AddBuffer(name + ".num_batches_tracked", at::zeros({}, at::kLong));
  return norm;
}

at::Tensor BatchNorm2d::operator()(const at::Tensor& x, bool training) const {
  if (training) ++*num_batches_tracked.mutable_data_ptr<int64_t>();
  const at::Tensor fused = Fused(x, training, {}, /*relu=*/false);
  if (fused.defined()) return fused;
  return at::batch_norm(x, weight, bias, running_mean, running_var, training, kNormMomentum,
                        kNormEpsilon, /*cudnn_enabled=*/true);
}

at::Tensor BatchNorm2d::Rectified(const at::Tensor& x, bool training,
                                  const at::Tensor& residual) const {
  const at::Tensor fused = Fused(x, training, residual, /*relu=*/true);
  if (fused.defined()) {
    ++*num_batches_tracked.mutable_data_ptr<int64_t>();
    return fused;
  }
  at::Tensor out = (*this)(x, training);
  if (residual.defined()) out += residual;
  return out.relu_();
}

at::Tensor BatchNorm2d::Fused(const at::Tensor& x, bool training, const at::Tensor& residual,
                              bool relu) const {
  if (!training || !HasBf16BatchNorm(x)) return {};
  return Bf16BatchNorm(x, {weight, bias, running_mean, running_var}, residual, relu);
}

Linear Linear::Make(Model& model, const std::string& name, int64_t in, int64_t out,
                    at::Generator& generator) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  Linear linear;
  linear.weight = model.AddParameter(name + ".weight",
                                     at::empty({out, in}).uniform_(-bound, bound, generator), true);
  linear.bias = model.AddParameter(name + ".bias",
                                   at::empty({out}).uniform_(-bound, bound, generator), false);
  return linear;
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (x.scalar_type() == at::kBFloat16) {
    return at::linear(x, weight.to(at::kBFloat16), bias.to(at::kBFloat16));
  }
  return at::linear(x, weight, bias);
}

}  // namespace skytrain::training
