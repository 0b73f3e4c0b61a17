#include "server/data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace skytrain::data {
namespace {

constexpr double kLobes = 3.0;
constexpr int kChannels = 3;

double Lanczos(double x) {
  if (x == 0) return 1;
  if (std::abs(x) >= kLobes) return 0;
  const double a = std::numbers::pi * x;
  return kLobes * std::sin(a) * std::sin(a / kLobes) / (a * a);
}

// For each output pixel, the first input pixel and the weights of it and the following ones.
struct Filter {
  int taps = 0;
  std::vector<int> first;
  std::vector<float> weights;  // [side, taps], zero past the end.
};

Filter MakeFilter(double start, double length, int inputs, int side) {
  Filter filter;
  const double scale = length / side, widen = std::max(scale, 1.0);
  const double radius = kLobes * widen;
  filter.taps = std::min(inputs, static_cast<int>(std::ceil(radius)) * 2 + 1);
  filter.first.resize(side);
  filter.weights.assign(static_cast<size_t>(side) * filter.taps, 0.0f);
  for (int i = 0; i < side; ++i) {
    const double centre = start + (i + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(std::floor(centre - radius + 0.5)));
    const int high =
        std::min({inputs, static_cast<int>(std::floor(centre + radius + 0.5)), low + filter.taps});
    filter.first[i] = std::min(low, inputs - filter.taps);
    float* weights = &filter.weights[static_cast<size_t>(i) * filter.taps];
    double sum = 0;
    for (int x = low; x < high; ++x) sum += Lanczos((x + 0.5 - centre) / widen);
    for (int x = low; x < high; ++x) {
      weights[x - filter.first[i]] = static_cast<float>(Lanczos((x + 0.5 - centre) / widen) / sum);
    }
  }
  return filter;
}

// Filters are the same for every image of a set; each thread keeps its last two.
const Filter& CachedFilter(bool vertical, double start, double length, int inputs, int side) {
  struct Slot {
    double start = -1, length = -1;
    int inputs = -1, side = -1;
    Filter filter;
  };
  thread_local Slot slots[2];
  Slot& slot = slots[vertical ? 1 : 0];
  if (slot.start != start || slot.length != length || slot.inputs != inputs || slot.side != side) {
    slot = {start, length, inputs, side, MakeFilter(start, length, inputs, side)};
  }
  return slot.filter;
}

uint8_t ToByte(float value) { return static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

constexpr int kLanes = 16;

// out[0..padded) = the weighted sum of `taps` rows of `padded` numbers, a multiple of kLanes.
void WeighRows(const float* rows, int padded, const float* weights, int taps, float* out) {
  for (int x = 0; x < padded; x += kLanes) {
    float sums[kLanes] = {};
    const float* row = rows + x;
    for (int t = 0; t < taps; ++t, row += padded) {
      for (int k = 0; k < kLanes; ++k) sums[k] += weights[t] * row[k];
    }
    std::copy(sums, sums + kLanes, out + x);
  }
}

// One output pixel from `taps` RGB pixels. Reads one number more than they have: three channels are
// summed as four.
void WeighPixels(const float* pixels, const float* weights, int taps, uint8_t* out) {
  constexpr int kWide = 4;
  float sums[kWide] = {};
  for (int t = 0; t < taps; ++t, pixels += kChannels) {
    for (int c = 0; c < kWide; ++c) sums[c] += weights[t] * pixels[c];
  }
  for (int c = 0; c < kChannels; ++c) out[c] = ToByte(sums[c]);
}

}  // namespace

void Resize(const uint8_t* source, int width, int height, const Box& box, int side, uint8_t* out) {
  const Filter& across = CachedFilter(false, box.x, box.width, width, side);
  const Filter& down = CachedFilter(true, box.y, box.height, height, side);
  const int first_row = down.first.front(), first_column = across.first.front();
  const int rows = down.first.back() + down.taps - first_row;
  const int numbers = (across.first.back() + across.taps - first_column) * kChannels;
  const int padded = (numbers / kLanes + 1) * kLanes;  // At least one more than `numbers`.
  thread_local std::vector<float> cut, row;            // [rows, padded], [padded]
  cut.assign(static_cast<size_t>(rows) * padded, 0.0f);
  row.resize(padded);
  for (int y = 0; y < rows; ++y) {
    const uint8_t* from =
        source + (static_cast<size_t>(first_row + y) * width + first_column) * kChannels;
    std::copy(from, from + numbers, &cut[static_cast<size_t>(y) * padded]);
  }
  for (int i = 0; i < side; ++i) {
    WeighRows(&cut[static_cast<size_t>(down.first[i] - first_row) * padded], padded,
              &down.weights[static_cast<size_t>(i) * down.taps], down.taps, row.data());
    uint8_t* to = out + static_cast<size_t>(i) * side * kChannels;
    for (int j = 0; j < side; ++j) {
      WeighPixels(&row[static_cast<size_t>(across.first[j] - first_column) * kChannels],
                  &across.weights[static_cast<size_t>(j) * across.taps], across.taps,
                  to + j * kChannels);
    }
  }
}

}  // namespace skytrain::data
