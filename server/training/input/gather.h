#pragma once

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "server/spec/plan.h"
#include "server/training/input/normalisation.h"

namespace skytrain::training {

// How one image is turned: counter-clockwise quarter turns in bits 0-1, applied after the mirror
// image (left and right swapped) of bit 2. numpy: rot90(fliplr(x), k).
using Turn = uint8_t;
constexpr Turn kFlip = 4;

// The turn of draw `position` of `epoch`: a pure function of its arguments.
Turn DrawTurn(const spec::AugmentPlan& augment, uint64_t seed, uint64_t epoch, uint64_t position);

// value * scale + bias of a byte, by channel.
struct PixelScale {
  std::array<float, 3> scale;
  std::array<float, 3> bias;
};
PixelScale MakePixelScale(const Normalisation& normalisation);

// Images [count, height, width, 3], of which the centre `size` x `size` is used.
struct ImageCanvas {
  const uint8_t* pixels = nullptr;
  int height = 0, width = 0, size = 0;
};

// Gathers images `samples`, turns them by `turns` (same length) and normalises them into `out`,
// float32 [samples, size, size, 3] (the memory of a channels_last tensor). One pass, one thread, no
// OpenMP: called from the thread that prepares batches. Twin of gpu/gather_kernel.cu.
void GatherImages(const ImageCanvas& canvas, absl::Span<const int64_t> samples,
                  absl::Span<const Turn> turns, const PixelScale& scale, float* out);

// Rows `samples` of a table [count, columns], normalised, into `out` [samples, columns].
void GatherRows(absl::Span<const float> features, int columns, absl::Span<const int64_t> samples,
                const Normalisation& normalisation, float* out);

}  // namespace skytrain::training
