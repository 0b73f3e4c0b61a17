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

}  // namespace

void Resize(const uint8_t* source, int width, int height, const Box& box, int side, uint8_t* out) {
  const Filter& across = CachedFilter(false, box.x, box.width, width, side);
  const Filter& down = CachedFilter(true, box.y, box.height, height, side);
  const int first_row = down.first.front();
  const int rows = down.first.back() + down.taps - first_row;
  const int row_size = side * kChannels;
  thread_local std::vector<float> narrowed;  // [rows, side, 3]
  narrowed.resize(static_cast<size_t>(rows) * row_size);
  for (int y = 0; y < rows; ++y) {
    const uint8_t* in = source + static_cast<size_t>(first_row + y) * width * kChannels;
    float* row = &narrowed[static_cast<size_t>(y) * row_size];
    for (int i = 0; i < side; ++i) {
      const float* weights = &across.weights[static_cast<size_t>(i) * across.taps];
      const uint8_t* pixel = in + across.first[i] * kChannels;
      float r = 0, g = 0, b = 0;
      for (int t = 0; t < across.taps; ++t, pixel += kChannels) {
        r += weights[t] * pixel[0];
        g += weights[t] * pixel[1];
        b += weights[t] * pixel[2];
      }
      row[i * kChannels] = r;
      row[i * kChannels + 1] = g;
      row[i * kChannels + 2] = b;
    }
  }
  thread_local std::vector<float> sums;
  for (int i = 0; i < side; ++i) {
    sums.assign(row_size, 0.0f);
    const float* weights = &down.weights[static_cast<size_t>(i) * down.taps];
    for (int t = 0; t < down.taps; ++t) {
      if (weights[t] == 0.0f) continue;
      const float* row = &narrowed[static_cast<size_t>(down.first[i] - first_row + t) * row_size];
      for (int x = 0; x < row_size; ++x) sums[x] += weights[t] * row[x];
    }
    uint8_t* to = out + static_cast<size_t>(i) * row_size;
    for (int x = 0; x < row_size; ++x) to[x] = ToByte(sums[x]);
  }
}

}  // namespace skytrain::data
