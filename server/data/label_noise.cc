#include "server/data/label_noise.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "server/data/random.h"

namespace skytrain::data {

int64_t AddLabelNoise(const v1::LabelNoise& noise, int classes, absl::Span<const int64_t> train,
                      std::vector<int32_t>& labels) {
  if (classes < 2) return 0;
  const auto draw = [&](uint64_t what, int64_t sample) {
    return Draw(noise.seed(), Purpose::kLabelNoise, what, static_cast<uint64_t>(sample))[0];
  };
  // The samples with the lowest draws: exactly the fraction, whatever the order.
  std::vector<std::pair<uint32_t, int64_t>> drawn;
  for (const int64_t sample : train) drawn.emplace_back(draw(0, sample), sample);
  std::sort(drawn.begin(), drawn.end());
  drawn.resize(std::llround(noise.fraction() * static_cast<double>(train.size())));
  const bool wrong = noise.kind() != v1::LabelNoise::KIND_UNIFORM;
  const uint64_t choices = wrong ? classes - 1 : classes;
  int64_t changed = 0;
  for (const auto& [unused, sample] : drawn) {
    auto label = static_cast<int32_t>((draw(1, sample) * choices) >> 32);
    if (wrong && label >= labels[sample]) ++label;
    if (label != labels[sample]) ++changed;
    labels[sample] = label;
  }
  return changed;
}

}  // namespace skytrain::data
