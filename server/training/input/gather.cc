#include "server/training/input/gather.h"

#include <cstring>
#include <vector>

#include "server/data/random.h"

namespace skytrain::training {
namespace {

// Source of output pixel (y, x) as offsets in pixels: `start` for (y, 0), then `step` for each x.
struct SourceRow {
  int64_t start, step;
};

SourceRow RowOf(Turn turn, int y, int size, int64_t width) {
  const bool flip = (turn & kFlip) != 0;
  const int last = size - 1;
  const auto at = [&](int row, int column) {
    return row * width + (flip ? last - column : column);
  };
  switch (turn & 3) {
    case 0:
      return {at(y, 0), flip ? -1 : 1};
    case 1:  // (y, x) <- (x, last - y)
      return {at(0, last - y), width};
    case 2:  // (y, x) <- (last - y, last - x)
      return {at(last - y, last), flip ? 1 : -1};
    default:  // (y, x) <- (last - x, y)
      return {at(last, y), -width};
  }
}

}  // namespace

Turn DrawTurn(const spec::AugmentPlan& augment, uint64_t seed, uint64_t epoch, uint64_t position) {
  if (!augment.rotate90 && !augment.flip) return 0;
  const std::array<uint32_t, 4> draw = data::Draw(seed, data::Purpose::kAugment, epoch, position);
  Turn turn = 0;
  if (augment.rotate90) turn |= draw[0] & 3;
  if (augment.flip && (draw[1] & 1) != 0) turn |= kFlip;
  return turn;
}

PixelScale MakePixelScale(const Normalisation& normalisation) {
  PixelScale result;
  for (int c = 0; c < 3; ++c) {
    result.scale[c] = static_cast<float>(1.0 / (255.0 * normalisation.deviation[c]));
    result.bias[c] = static_cast<float>(-normalisation.mean[c] / normalisation.deviation[c]);
  }
  return result;
}

void GatherImages(const ImageCanvas& canvas, absl::Span<const int64_t> samples,
                  absl::Span<const Turn> turns, const PixelScale& scale, float* out) {
  const int size = canvas.size;
  const int row_values = 3 * size;
  // The three channels' constants, repeated along a row, so that the inner loop has no channel.
  std::vector<float> scales(row_values), biases(row_values);
  for (int i = 0; i < row_values; ++i) {
    scales[i] = scale.scale[i % 3];
    biases[i] = scale.bias[i % 3];
  }
  std::vector<uint8_t> turned(row_values);
  const int64_t image_bytes = int64_t{3} * canvas.height * canvas.width;
  const int64_t margin =
      int64_t{(canvas.height - size) / 2} * canvas.width + (canvas.width - size) / 2;
  for (size_t i = 0; i < samples.size(); ++i) {
    const uint8_t* image = canvas.pixels + samples[i] * image_bytes + 3 * margin;
    for (int y = 0; y < size; ++y) {
      const SourceRow source = RowOf(turns[i], y, size, canvas.width);
      const uint8_t* row = image + 3 * source.start;
      if (source.step != 1) {
        for (int x = 0; x < size; ++x) {
          std::memcpy(&turned[3 * x], row + 3 * source.step * x, 3);
        }
        row = turned.data();
      }
      for (int v = 0; v < row_values; ++v) {
        out[v] = static_cast<float>(row[v]) * scales[v] + biases[v];
      }
      out += row_values;
    }
  }
}

void GatherRows(absl::Span<const float> features, int columns, absl::Span<const int64_t> samples,
                const Normalisation& normalisation, float* out) {
  for (const int64_t sample : samples) {
    const float* row = features.data() + sample * columns;
    for (int c = 0; c < columns; ++c) {
      *out++ = static_cast<float>((row[c] - normalisation.mean[c]) / normalisation.deviation[c]);
    }
  }
}

}  // namespace skytrain::training
