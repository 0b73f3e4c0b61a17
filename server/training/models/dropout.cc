#include "server/training/models/dropout.h"

#include <array>
#include <cmath>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "server/data/random.h"

namespace skytrain::training {
namespace {

// Counter i of a key is entry i of the SplitMix64 sequence that starts there (Steele, Lea & Flood
// 2014, "Fast splittable pseudorandom number generators"); its upper 24 bits are compared with p.
constexpr uint64_t kGamma = 0x9E3779B97F4A7C15;
constexpr uint64_t kMix1 = 0xBF58476D1CE4E5B9, kMix2 = 0x94D049BB133111EB;
constexpr int64_t kGrain = 1 << 15;

uint64_t Mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * kMix1;
  x = (x ^ (x >> 27)) * kMix2;
  return x ^ (x >> 31);
}

uint64_t KeyOf(uint64_t seed, int64_t step, uint64_t layer) {
  const std::array<uint32_t, 4> words =
      data::Draw(seed, data::Purpose::kDropout, static_cast<uint64_t>(step), layer);
  return uint64_t{words[1]} << 32 | words[0];
}

int64_t SignedValue(uint64_t value) { return static_cast<int64_t>(value); }

int64_t Threshold(double p) { return std::llround(std::ldexp(p, 24)); }

// x >> bits of unsigned numbers, which ATen has for signed ones only.
at::Tensor ShiftRight(const at::Tensor& x, int bits) {
  return x.bitwise_right_shift(bits).bitwise_and((int64_t{1} << (64 - bits)) - 1);
}

// `mask` has one entry a value of `x`, or one a sample.
at::Tensor Dropped(const at::Tensor& x, const at::Tensor& mask, double p) {
  return x.mul(mask).mul(1.0 / (1.0 - p));
}

at::Tensor MaskOf(const StepDraw& draw, uint64_t layer, int64_t first, int64_t count, double p,
                  const c10::Device& device) {
  if (!draw.keys.defined()) {
    return KeepMask(KeyOf(draw.seed, draw.step, layer), first, count, p, device);
  }
  const at::Tensor key = draw.keys.select(0, static_cast<int64_t>(layer));
  return KeepMaskByOperations(key, first, count, p, device);
}

}  // namespace

at::Tensor DropoutKeys(uint64_t seed, int64_t step, int64_t layers) {
  at::Tensor keys = at::empty({layers}, at::kLong);
  for (int64_t layer = 0; layer < layers; ++layer) {
    keys.mutable_data_ptr<int64_t>()[layer] = SignedValue(KeyOf(seed, step, layer));
  }
  return keys;
}

at::Tensor KeepMask(uint64_t key, int64_t first, int64_t count, double p,
                    const c10::Device& device) {
  if (!device.is_cpu()) {
    const at::Tensor on_host = at::scalar_tensor(SignedValue(key), at::kLong);
    return KeepMaskByOperations(on_host, first, count, p, device);
  }
  const int64_t threshold = Threshold(p);
  at::Tensor mask = at::empty({count}, at::kBool);
  bool* keep = mask.mutable_data_ptr<bool>();
  at::parallel_for(0, count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const uint64_t counter = static_cast<uint64_t>(first + i + 1);
      keep[i] = static_cast<int64_t>(Mixed(key + counter * kGamma) >> 40) >= threshold;
    }
  });
  return mask;
}

at::Tensor KeepMaskByOperations(const at::Tensor& key, int64_t first, int64_t count, double p,
                                const c10::Device& device) {
  at::Tensor x = at::arange(first + 1, first + 1 + count, at::dtype(at::kLong).device(device));
  x.mul_(SignedValue(kGamma)).add_(key);
  x.bitwise_xor_(ShiftRight(x, 30)).mul_(SignedValue(kMix1));
  x.bitwise_xor_(ShiftRight(x, 27)).mul_(SignedValue(kMix2));
  x.bitwise_xor_(ShiftRight(x, 31));
  return ShiftRight(x, 40).ge(Threshold(p));
}

at::Tensor Dropout::operator()(const at::Tensor& x, bool training, const StepDraw& draw) const {
  if ((!training && !draw.always) || p_ == 0.0 || x.numel() == 0) return x;
  const int64_t first = draw.first_sample * (x.numel() / x.size(0));
  // In the order of memory, so that a channels_last tensor stays one.
  at::Tensor mask = at::empty_like(x, at::kBool);
  mask.as_strided({x.numel()}, {1}).copy_(MaskOf(draw, layer_, first, x.numel(), p_, x.device()));
  return Dropped(x, mask, p_);
}

at::Tensor StochasticDepth::operator()(const at::Tensor& x, bool training,
                                       const StepDraw& draw) const {
  if (!training || p_ == 0.0) return x;
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = x.size(0);
  const at::Tensor mask = MaskOf(draw, layer_, draw.first_sample, x.size(0), p_, x.device());
  return Dropped(x, mask.view(shape), p_);
}

}  // namespace skytrain::training
