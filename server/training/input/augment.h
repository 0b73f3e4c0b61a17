#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "server/spec/plan.h"
#include "server/training/input/gather.h"
#include "server/training/input/pixel_math.h"

namespace skytrain::training {

// Whether `augment` asks for more than quarter turns and mirror images, which GatherImages does
// without touching a value.
bool NeedsInterpolation(const spec::AugmentPlan& augment);

// Where an image comes to lie: turned, rotated counter-clockwise, enlarged, then shifted right and
// down, in pixels of the output; all about its centre.
struct Placement {
  Turn turn = 0;
  double degrees = 0.0;
  double scale = 1.0;
  double shift_x = 0.0, shift_y = 0.0;
};

// The change that does this and nothing else. Turns alone are exact: as GatherImages does them.
ImageChange ChangeOf(const Placement& placement, const ImageCanvas& canvas);

// The change of draw `position` of `epoch`: a pure function of (augment, seed, epoch, position) and
// of the canvas's sides. The placement, with the turn of DrawTurn; then brightness, contrast,
// saturation, noise, cutout. `mean_grey`: of the image, as MeanGrey says; looked at only where the
// contrast changes.
ImageChange DrawChange(const spec::AugmentPlan& augment, const ImageCanvas& canvas, float mean_grey,
                       uint64_t seed, uint64_t epoch, uint64_t position);

// Mean grey, 0..255, of the centre `size` x `size` of image `sample`: before any change, so that
// one look at the image is enough. Exact sums.
float MeanGrey(const ImageCanvas& canvas, int64_t sample);

// Samples images `samples` as `changes` say (same length), bilinearly, and normalises them into
// `out`, float32 [samples, size, size, 3]. The canvas is at least 2 x 2. Beyond its edge it is
// mirrored. One pass, one thread, no OpenMP. Twin of gpu/augment_kernel.cu.
void AugmentImages(const ImageCanvas& canvas, absl::Span<const int64_t> samples,
                   absl::Span<const ImageChange> changes, const PixelScale& scale, float* out);

}  // namespace skytrain::training
