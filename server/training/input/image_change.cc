// Draws of image changes: a few numbers an image, in double precision.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "server/data/random.h"
#include "server/training/input/augment.h"

namespace skytrain::training {
namespace {

using data::Purpose;

// A word as a number in (0, 1).
double Uniform(uint32_t word) { return (word + 0.5) / 4294967296.0; }
// In (-limit, limit).
double Spread(uint32_t word, double limit) { return (2.0 * Uniform(word) - 1.0) * limit; }

struct Rotation {
  double cosine, sine;
};

// Exact for whole quarter turns.
Rotation RotationOf(double degrees, int quarter_turns) {
  const double angle = degrees * std::numbers::pi / 180.0;
  Rotation r{std::cos(angle), std::sin(angle)};
  for (int k = 0; k < quarter_turns; ++k) r = {-r.sine, r.cosine};
  return r;
}

// Brightness, then contrast about the image's mean grey, then saturation about each pixel's grey:
// grey is linear and leaves grey as it is, so the three become one.
void DrawColour(const spec::AugmentPlan& augment, float mean_grey,
                const std::array<uint32_t, 4>& draw, ImageChange& change) {
  const double brightness = 1.0 + Spread(draw[0], augment.brightness);
  const double contrast = 1.0 + Spread(draw[1], augment.contrast);
  const bool greyscale = Uniform(draw[3]) < augment.greyscale;
  const double saturation = greyscale ? 0.0 : 1.0 + Spread(draw[2], augment.saturation);
  change.gain = static_cast<float>(saturation * contrast * brightness);
  change.grey_gain = static_cast<float>((1.0 - saturation) * contrast * brightness);
  change.base = static_cast<float>((1.0 - contrast) * brightness * mean_grey);
}

// A square about any pixel; the part beyond the edge is cut off (arXiv:1708.04552).
void DrawCutout(double fraction, int size, const std::array<uint32_t, 4>& draw,
                ImageChange& change) {
  const int side = static_cast<int>(std::lround(fraction * size));
  const auto from = [&](uint32_t word) {
    return static_cast<int>(Uniform(word) * size) - side / 2;
  };
  const int left = from(draw[0]), top = from(draw[1]);
  change.left = std::clamp(left, 0, size);
  change.right = std::clamp(left + side, 0, size);
  change.top = std::clamp(top, 0, size);
  change.bottom = std::clamp(top + side, 0, size);
}

}  // namespace

ImageChange ChangeOf(const Placement& placement, const ImageCanvas& canvas) {
  // Backwards, from the output to the canvas, both seen from the centre of the image.
  const Rotation r = RotationOf(placement.degrees, placement.turn & 3);
  const double mirror = (placement.turn & kFlip) != 0 ? -1.0 : 1.0;
  const double xx = mirror * r.cosine / placement.scale, xy = -mirror * r.sine / placement.scale;
  const double yx = r.sine / placement.scale, yy = r.cosine / placement.scale;
  const double half = (canvas.size - 1) / 2.0;
  const double from_x = -half - placement.shift_x, from_y = -half - placement.shift_y;
  // Where GatherImages has it, also on a canvas that is larger by an odd number.
  const double centre_x = (canvas.width - canvas.size) / 2 + half;
  const double centre_y = (canvas.height - canvas.size) / 2 + half;
  ImageChange change = {};
  change.xx = static_cast<float>(xx);
  change.xy = static_cast<float>(xy);
  change.x0 = static_cast<float>(xx * from_x + xy * from_y + centre_x);
  change.yx = static_cast<float>(yx);
  change.yy = static_cast<float>(yy);
  change.y0 = static_cast<float>(yx * from_x + yy * from_y + centre_y);
  change.gain = 1.0F;
  return change;
}

bool NeedsInterpolation(const spec::AugmentPlan& augment) {
  return augment.rotate_degrees > 0.0 || augment.scale_low != 1.0 || augment.scale_high != 1.0 ||
         augment.translate > 0.0 || augment.brightness > 0.0 || augment.contrast > 0.0 ||
         augment.saturation > 0.0 || augment.greyscale > 0.0 || augment.noise > 0.0 ||
         augment.cutout > 0.0;
}

ImageChange DrawChange(const spec::AugmentPlan& augment, const ImageCanvas& canvas, float mean_grey,
                       uint64_t seed, uint64_t epoch, uint64_t position) {
  const auto draw = [&](Purpose purpose) { return data::Draw(seed, purpose, epoch, position); };
  const std::array<uint32_t, 4> place = draw(Purpose::kAffine);
  const double ratio = augment.scale_high / augment.scale_low;
  ImageChange change =
      ChangeOf({DrawTurn(augment, seed, epoch, position), Spread(place[0], augment.rotate_degrees),
                augment.scale_low * std::pow(ratio, Uniform(place[1])),
                Spread(place[2], augment.translate) * canvas.size,
                Spread(place[3], augment.translate) * canvas.size},
               canvas);
  DrawColour(augment, mean_grey, draw(Purpose::kColour), change);
  if (augment.noise > 0.0) {
    const std::array<uint32_t, 4> key = draw(Purpose::kPixelNoise);
    change.noise = static_cast<float>(255.0 * augment.noise);
    change.noise_key0 = key[0];
    change.noise_key1 = key[1];
  }
  if (augment.cutout > 0.0) DrawCutout(augment.cutout, canvas.size, draw(Purpose::kCutout), change);
  return change;
}

float MeanGrey(const ImageCanvas& canvas, int64_t sample) {
  const int64_t row_bytes = int64_t{3} * canvas.width;
  const uint8_t* row = canvas.pixels + sample * row_bytes * canvas.height +
                       (canvas.height - canvas.size) / 2 * row_bytes +
                       (canvas.width - canvas.size) / 2 * 3;
  int64_t red = 0, green = 0, blue = 0;
  for (int y = 0; y < canvas.size; ++y, row += row_bytes) {
    for (int x = 0; x < canvas.size; ++x) {
      red += row[3 * x];
      green += row[3 * x + 1];
      blue += row[3 * x + 2];
    }
  }
  const int64_t sum = kRedPerMille * red + kGreenPerMille * green + kBluePerMille * blue;
  return static_cast<float>(static_cast<double>(sum) / (1000.0 * canvas.size * canvas.size));
}

}  // namespace skytrain::training
