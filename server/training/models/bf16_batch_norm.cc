#include "server/training/models/bf16_batch_norm.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "server/training/cpu/bf16_norm_kernels.h"
#include "server/training/cpu/parallel_tasks.h"
#include "server/training/precision.h"
#include "torch/csrc/autograd/custom_function.h"

namespace skytrain::training {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kBlockBytes = 64 << 10;

const uint16_t* Bits(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  return reinterpret_cast<const uint16_t*>(tensor.const_data_ptr<at::BFloat16>());
}

uint16_t* MutableBits(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  return reinterpret_cast<uint16_t*>(tensor.mutable_data_ptr<at::BFloat16>());
}

// `x` as rows of channels, in blocks of rows that stay in a core's cache.
class RowBlocks {
 public:
  explicit RowBlocks(const at::Tensor& x)
      : channels_(x.size(1)),
        rows_(x.numel() / channels_),
        block_rows_(std::max<int64_t>(1, kBlockBytes / (2 * channels_))),
        blocks_((rows_ + block_rows_ - 1) / block_rows_) {}

  int64_t rows() const { return rows_; }
  int64_t channels() const { return channels_; }

  // work(offset of the block's first value, rows of the block)
  template <typename Work>
  void Each(const Work& work) const {
    EachNumbered([&](int64_t, int64_t offset, int64_t rows) { work(offset, rows); });
  }

  // Two sums for each channel: work(offset, rows, first[channels], second[channels]) gives those of
  // a block.
  template <typename Work>
  std::pair<std::vector<double>, std::vector<double>> Sums(const Work& work) const {
    std::vector<float> partial(2 * channels_ * blocks_);
    EachNumbered([&](int64_t block, int64_t offset, int64_t rows) {
      float* first = partial.data() + 2 * channels_ * block;
      work(offset, rows, first, first + channels_);
    });
    std::pair<std::vector<double>, std::vector<double>> sums;
    sums.first.resize(channels_);
    sums.second.resize(channels_);
    for (int64_t block = 0; block < blocks_; ++block) {
      const float* first = partial.data() + 2 * channels_ * block;
      for (int64_t c = 0; c < channels_; ++c) {
        sums.first[c] += first[c];
        sums.second[c] += first[channels_ + c];
      }
    }
    return sums;
  }

 private:
  template <typename Work>
  void EachNumbered(const Work& work) const {
    ParallelTasks(blocks_, [&](int64_t block) {
      const int64_t first = block * block_rows_;
      work(block, first * channels_, std::min(block_rows_, rows_ - first));
    });
  }

  int64_t channels_, rows_, block_rows_, blocks_;
};

struct Statistics {
  at::Tensor mean, inverse;  // inverse = 1 / sqrt(variance + epsilon)
};

// Of the batch; updates the running ones.
Statistics BatchStatistics(const at::Tensor& x, const RowBlocks& blocks, const at::Tensor& mean,
                           const at::Tensor& variance) {
  const int64_t channels = blocks.channels();
  const uint16_t* bits = Bits(x);
  // Sums of what is left after the first row: a mean far from zero would cancel.
  std::vector<float> shift(channels);
  for (int64_t c = 0; c < channels; ++c) {
    shift[c] = static_cast<float>(x.const_data_ptr<at::BFloat16>()[c]);
  }
  const auto [sum, square] =
      blocks.Sums([&](int64_t offset, int64_t rows, float* first, float* second) {
        NormSums(bits + offset, rows, channels, shift.data(), first, second);
      });
  Statistics out{at::empty({channels}, at::kFloat), at::empty({channels}, at::kFloat)};
  const auto count = static_cast<double>(blocks.rows());
  float* running_mean = mean.mutable_data_ptr<float>();
  float* running_var = variance.mutable_data_ptr<float>();
  for (int64_t c = 0; c < channels; ++c) {
    const double offset = sum[c] / count;
    const double biased = std::max(0.0, square[c] / count - offset * offset);
    const double middle = shift[c] + offset;
    out.mean.mutable_data_ptr<float>()[c] = static_cast<float>(middle);
    out.inverse.mutable_data_ptr<float>()[c] =
        static_cast<float>(1.0 / std::sqrt(biased + kNormEpsilon));
    const auto moved = [](float* running, double value) {
      *running = static_cast<float>((1.0 - kNormMomentum) * *running + kNormMomentum * value);
    };
    moved(running_mean + c, middle);
    moved(running_var + c, biased * count / std::max(1.0, count - 1.0));
  }
  return out;
}

struct BatchNorm : public torch::autograd::Function<BatchNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const std::optional<at::Tensor>& residual,
                            const at::Tensor& running_mean, const at::Tensor& running_var,
                            bool relu) {
    const RowBlocks blocks(x);
    const Statistics statistics = BatchStatistics(x, blocks, running_mean, running_var);
    const at::Tensor scale = weight.detach() * statistics.inverse;
    const at::Tensor shift = bias.detach() - statistics.mean * scale;
    const at::Tensor y = at::empty_like(x);
    const uint16_t *from = Bits(x), *added = residual ? Bits(*residual) : nullptr;
    uint16_t* to = MutableBits(y);
    blocks.Each([&](int64_t offset, int64_t rows) {
      NormApply(from + offset, added == nullptr ? nullptr : added + offset, rows, blocks.channels(),
                scale.const_data_ptr<float>(), shift.const_data_ptr<float>(), relu, to + offset);
    });
    context->save_for_backward(
        {x, weight, statistics.mean, statistics.inverse, relu ? y : at::Tensor()});
    context->saved_data["residual"] = residual.has_value();
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::NoGradGuard no_grad;
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &inverse = saved[3];
    const at::Tensor gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const RowBlocks blocks(x);
    const int64_t channels = blocks.channels();
    const uint16_t *g = Bits(gradient), *y = Bits(saved[4]), *from = Bits(x);
    const auto at_or_null = [](const uint16_t* bits, int64_t offset) {
      return bits == nullptr ? nullptr : bits + offset;
    };
    const auto [sum, product] =
        blocks.Sums([&](int64_t offset, int64_t rows, float* first, float* second) {
          NormGradientSums(g + offset, at_or_null(y, offset), from + offset, rows, channels,
                           mean.const_data_ptr<float>(), first, second);
        });
    // Ioffe & Szegedy, section 3, as of_x = a g + b x + c.
    std::vector<float> a(channels), b(channels), c(channels);
    const at::Tensor of_weight = at::empty_like(weight), of_bias = at::empty_like(weight);
    const auto count = static_cast<double>(blocks.rows());
    for (int64_t i = 0; i < channels; ++i) {
      const double inv = inverse.const_data_ptr<float>()[i];
      const double scale = weight.const_data_ptr<float>()[i] * inv;
      const double slope = -scale * inv * inv * product[i] / count;
      of_weight.mutable_data_ptr<float>()[i] = static_cast<float>(product[i] * inv);
      of_bias.mutable_data_ptr<float>()[i] = static_cast<float>(sum[i]);
      a[i] = static_cast<float>(scale);
      b[i] = static_cast<float>(slope);
      c[i] = static_cast<float>(-scale * sum[i] / count - slope * mean.const_data_ptr<float>()[i]);
    }
    const at::Tensor of_x = at::empty_like(x);
    const at::Tensor of_residual =
        context->saved_data["residual"].toBool() ? at::empty_like(x) : at::Tensor();
    uint16_t *to = MutableBits(of_x), *to_residual = MutableBits(of_residual);
    blocks.Each([&](int64_t offset, int64_t rows) {
      NormGradientApply(g + offset, at_or_null(y, offset), from + offset, rows, channels, a.data(),
                        b.data(), c.data(), to + offset,
                        to_residual == nullptr ? nullptr : to_residual + offset);
    });
    return {of_x, of_weight, of_bias, of_residual, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool HasBf16BatchNorm(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kBFloat16 && HasBf16Arithmetic();
}

at::Tensor Bf16BatchNorm(const at::Tensor& x, const NormTensors& norm, const at::Tensor& residual,
                         bool relu) {
  constexpr auto kFormat = at::MemoryFormat::ChannelsLast;
  std::optional<at::Tensor> added;  // LibTorch takes no undefined tensor as an argument.
  if (residual.defined()) added = residual.contiguous(kFormat);
  return BatchNorm::apply(x.contiguous(kFormat), norm.weight, norm.bias, added, norm.running_mean,
                          norm.running_var, relu);
}

}  // namespace skytrain::training
