#include "server/training/models/convolution.h"

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "server/training/precision.h"
#include "torch/csrc/autograd/custom_function.h"

namespace skytrain::training {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Our kernel was measured with AVX-512 BF16 only, so AMX keeps oneDNN's; and it is slower on an
// image's few channels.
bool HasOwnWeightGradient(const at::Tensor& x) {
  constexpr int64_t kFewestChannels = 16;
  return x.is_cpu() && x.size(1) >= kFewestChannels && HasBf16Arithmetic() && !HasAmx();
}

struct Convolution : public torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& copy, int64_t stride, int64_t padding) {
    context->save_for_backward({x, copy});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return at::conv2d(x, copy, {}, {stride, stride}, {padding, padding});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &copy = saved[1];
    const int64_t stride = context->saved_data["stride"].toInt();
    const int64_t padding = context->saved_data["padding"].toInt();
    const at::Tensor gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const bool own = HasOwnWeightGradient(x);
    const bool of_x = context->needs_input_grad(0), of_weight = context->needs_input_grad(1);
    auto [x_gradient, weight_gradient, bias_gradient] = at::convolution_backward(
        gradient, x, copy, at::OptionalIntArrayRef(), {stride, stride}, {padding, padding}, {1, 1},
        /*transposed=*/false, {0, 0}, /*groups=*/1, {of_x, of_weight && !own, false});
    if (of_weight) {
      weight_gradient =
          own ? ConvWeightGradient(x, gradient, {copy.size(2), stride, padding})
              : weight_gradient.to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
    }
    return {x_gradient, weight_gradient, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

const at::Tensor& WorkingCopy::Of(const at::Tensor& parameter) const {
  if (!copy_.defined() || version_ != parameter._version()) {
    const at::NoGradGuard no_grad;
    // A new tensor: a graph may still hold the old one.
    copy_ = parameter.to(at::kBFloat16);
    version_ = parameter._version();
  }
  return copy_;
}

void WorkingCopy::Outdate(const at::Tensor& parameter) {
  parameter.unsafeGetTensorImpl()->bump_version();
}

at::Tensor Bf16Convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& copy,
                           const ConvGeometry& geometry) {
  return Convolution::apply(x, weight, copy, geometry.stride, geometry.padding);
}

}  // namespace skytrain::training
