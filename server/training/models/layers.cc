#include "server/training/models/layers.h"

#include <cmath>
#include <utility>

#include "ATen/ATen.h"
#include "server/training/models/bf16_batch_norm.h"

namespace skytrain::training {

at::Tensor KaimingNormal(at::IntArrayRef shape, at::Generator& generator) {
  // Out channels times the kernel, whatever the groups: as torch.nn.init counts.
  const double fan_out = static_cast<double>(shape[0] * shape[2] * shape[3]);
  return Normal(shape, std::sqrt(2.0 / fan_out), generator);
}

at::Tensor Normal(at::IntArrayRef shape, double deviation, at::Generator& generator) {
  return at::empty(shape).normal_(0.0, deviation, generator);
}

at::Tensor XavierUniform(at::IntArrayRef shape, at::Generator& generator) {
  return Uniform(shape, std::sqrt(6.0 / static_cast<double>(shape[0] + shape[1])), generator);
}

at::Tensor Uniform(at::IntArrayRef shape, double bound, at::Generator& generator) {
  return at::empty(shape).uniform_(-bound, bound, generator);
}

Conv2d Conv2d::Make(Model& model, const std::string& name, int64_t in, int64_t out, int64_t kernel,
                    int64_t stride, int64_t padding, at::Generator& generator) {
  return Make(model, name, KaimingNormal({out, in, kernel, kernel}, generator), /*biased=*/false,
              stride, padding);
}

Conv2d Conv2d::Make(Model& model, const std::string& name, at::Tensor weight, bool biased,
                    int64_t stride, int64_t padding, int64_t groups) {
  Conv2d conv;
  conv.weight = model.AddParameter(name + ".weight", std::move(weight), true);
  if (biased) {
    conv.bias = model.AddParameter(name + ".bias", at::zeros({conv.weight.size(0)}), false);
  }
  conv.stride = stride;
  conv.padding = padding;
  conv.groups = groups;
  return conv;
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  if (x.scalar_type() == at::kBFloat16) {
    if (groups == 1 && !bias.defined()) {
      return Bf16Convolution(x, weight, copy.Of(weight), {weight.size(2), stride, padding});
    }
    return at::conv2d(x, weight.to(at::kBFloat16), bias.defined() ? bias.to(at::kBFloat16) : bias,
                      {stride, stride}, {padding, padding}, {1, 1}, groups);
  }
  return at::conv2d(x, weight, bias, {stride, stride}, {padding, padding}, {1, 1}, groups);
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
  at::Tensor weight = Uniform({out, in}, bound, generator);
  return Make(model, name, std::move(weight), Uniform({out}, bound, generator));
}

Linear Linear::Make(Model& model, const std::string& name, at::Tensor weight, at::Tensor bias) {
  Linear linear;
  linear.weight = model.AddParameter(name + ".weight", std::move(weight), true);
  linear.bias = model.AddParameter(name + ".bias", std::move(bias), false);
  return linear;
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (x.scalar_type() == at::kBFloat16) {
    return at::linear(x, weight.to(at::kBFloat16), bias.to(at::kBFloat16));
  }
  return at::linear(x, weight, bias);
}

LayerNorm LayerNorm::Make(Model& model, const std::string& name, int64_t channels) {
  LayerNorm norm;
  norm.weight = model.AddParameter(name + ".weight", at::ones({channels}), false);
  norm.bias = model.AddParameter(name + ".bias", at::zeros({channels}), false);
  return norm;
}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  // Statistics in float32 whatever the layers around it compute in.
  return at::layer_norm(x.to(at::kFloat), {weight.size(0)}, weight, bias, /*eps=*/1e-6)
      .to(x.scalar_type());
}

}  // namespace skytrain::training
