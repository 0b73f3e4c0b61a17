#include "server/training/input/mixup.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "server/data/random.h"

namespace skytrain::training {
namespace {

// Words for one batch, drawn one after the other.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t epoch, uint64_t batch)
      : seed_(seed), epoch_(epoch), batch_(batch) {}

  double Uniform() {
    if (used_ == words_.size()) {
      words_ = data::Draw(seed_, data::Purpose::kMixup, epoch_, (batch_ << 16) + block_++);
      used_ = 0;
    }
    return (words_[used_++] + 0.5) / 4294967296.0;
  }
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log(Uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * Uniform());
  }

 private:
  const uint64_t seed_, epoch_, batch_;
  uint64_t block_ = 0;
  std::array<uint32_t, 4> words_ = {};
  size_t used_ = 4;
};

// ln of a draw from the gamma distribution of shape `alpha`, which for a small one may be too small
// for a double. Marsaglia & Tsang 2000, "A simple method for generating gamma variables", of shape
// alpha + 1, times a uniform number to the power of 1 / alpha.
double LogGamma(double alpha, Draws& draws) {
  const double d = alpha + 1.0 - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = draws.Normal();
    const double root = 1.0 + c * x;
    const double u = draws.Uniform();
    if (root <= 0.0) continue;
    const double v = root * root * root;
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return std::log(d * v) + std::log(draws.Uniform()) / alpha;
    }
  }
}

}  // namespace

double DrawMixShare(double alpha, uint64_t seed, uint64_t epoch, uint64_t batch) {
  Draws draws(seed, epoch, batch);
  const double one = LogGamma(alpha, draws), other = LogGamma(alpha, draws);
  const double share = 1.0 / (1.0 + std::exp(other - one));
  return std::max(share, 1.0 - share);
}

void MixSamples(double share, int64_t count, absl::Span<float> values) {
  const int64_t length = static_cast<int64_t>(values.size()) / std::max<int64_t>(count, 1);
  const float own = static_cast<float>(share), rest = static_cast<float>(1.0 - share);
  for (int64_t i = 0; i < count / 2; ++i) {
    float* one = values.data() + i * length;
    float* other = values.data() + (count - 1 - i) * length;
    for (int64_t k = 0; k < length; ++k) {
      const float a = one[k], b = other[k];
      one[k] = own * a + rest * b;
      other[k] = own * b + rest * a;
    }
  }
}

}  // namespace skytrain::training
