#include "server/training/input/normalisation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "common/status_macros.h"

namespace skytrain::training {
namespace {

// A channel that never varies is only shifted.
double UsableDeviation(double variance) { return variance > 1e-12 ? std::sqrt(variance) : 1.0; }

// Of the centre `size` x `size`: what validation sees, whatever the margin for augmentation is.
absl::StatusOr<Normalisation> OfImages(const data::Dataset& dataset, int size) {
  std::array<std::array<int64_t, 256>, 3> histogram = {};
  const int64_t row_bytes = int64_t{3} * dataset.width();
  const int64_t margin =
      (dataset.height() - size) / 2 * row_bytes + (dataset.width() - size) / 2 * 3;
  const absl::Span<const int64_t> train = dataset.train();
  constexpr size_t kAtOnce = 64;  // Looked at while they are still in the processor's cache.
  for (size_t i = 0; i < train.size(); ++i) {
    const int64_t sample = train[i];
    if (i % kAtOnce == 0) {
      dataset.WillRead(train.subspan(std::min(i + kAtOnce, train.size()), kAtOnce));
      RETURN_IF_ERROR(dataset.CheckPixels(train.subspan(i, kAtOnce)));
    }
    const uint8_t* row = dataset.pixels().data() + sample * row_bytes * dataset.height() + margin;
    for (int y = 0; y < size; ++y, row += row_bytes) {
      for (int i = 0; i < 3 * size; i += 3) {
        ++histogram[0][row[i]];
        ++histogram[1][row[i + 1]];
        ++histogram[2][row[i + 2]];
      }
    }
  }
  Normalisation result;
  for (const auto& channel : histogram) {
    double count = 0.0, sum = 0.0, squares = 0.0;
    for (int value = 0; value < 256; ++value) {
      const double n = static_cast<double>(channel[value]);
      const double x = value / 255.0;
      count += n;
      sum += n * x;
      squares += n * x * x;
    }
    const double mean = count > 0.0 ? sum / count : 0.0;
    const double variance = count > 0.0 ? squares / count - mean * mean : 0.0;
    result.mean.push_back(mean);
    result.deviation.push_back(UsableDeviation(variance));
  }
  return result;
}

Normalisation OfTable(const data::Dataset& dataset) {
  const double count = static_cast<double>(dataset.train().size());
  Normalisation result;
  for (int column = 0; column < dataset.columns(); ++column) {
    const auto at = [&](int64_t sample) {
      return static_cast<double>(dataset.features()[sample * dataset.columns() + column]);
    };
    double mean = 0.0, variance = 0.0;
    for (const int64_t sample : dataset.train()) mean += at(sample) / count;
    for (const int64_t sample : dataset.train()) {
      variance += (at(sample) - mean) * (at(sample) - mean) / count;
    }
    result.mean.push_back(mean);
    result.deviation.push_back(UsableDeviation(variance));
  }
  return result;
}

}  // namespace

Normalisation FixedNormalisation(bool imagenet) {
  if (!imagenet) return {{0.0, 0.0, 0.0}, {1.0, 1.0, 1.0}};
  return {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
}

absl::StatusOr<Normalisation> MakeNormalisation(const spec::ViewPlan& view,
                                                const data::Dataset& dataset) {
  if (dataset.pixels().empty()) return OfTable(dataset);
  switch (view.normalize) {
    case spec::ViewPlan::Normalize::kImagenet:
      return FixedNormalisation(/*imagenet=*/true);
    case spec::ViewPlan::Normalize::kNone:
      return FixedNormalisation(/*imagenet=*/false);
    case spec::ViewPlan::Normalize::kModel:  // The model's card has the numbers.
    case spec::ViewPlan::Normalize::kDataset:
      break;
  }
  return OfImages(dataset, view.size);
}

}  // namespace skytrain::training
