// How fast images are augmented: augment_bench [SIZE] [IMAGES]
// Default: 64 px, 1024 images, in batches of 128 from a canvas with the margin that a rotation asks
// for. Prints images per second of one thread's processor time, draws included, and the ratio to
// the plain gather (quarter turns and flips); the passes take turns, so that a busy machine spoils
// none.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "server/training/input/augment.h"

namespace skytrain::training {
namespace {

constexpr int kBatch = 128, kRounds = 9;

double Seconds(const std::function<void()>& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

struct Pass {
  std::string name;
  spec::AugmentPlan augment;
  std::vector<double> seconds;
};

std::vector<Pass> Passes() {
  spec::AugmentPlan turns, affine, colour, noise;
  turns.rotate90 = turns.flip = true;
  affine.flip = true;
  affine.rotate_degrees = 180.0;
  affine.scale_low = 1.0;
  affine.scale_high = 1.4;
  colour = affine;
  colour.brightness = colour.contrast = colour.saturation = 0.3;
  noise = colour;
  noise.noise = 0.02;
  noise.cutout = 0.3;
  return {{"quarter turns + flip (gather)", turns, {}},
          {"rotate + scale + flip", affine, {}},
          {"rotate + scale + flip + colour", colour, {}},
          {"the same + noise + cutout", noise, {}}};
}

int Main(int argc, char** argv) {
  const int size = argc > 1 ? std::atoi(argv[1]) : 64;
  const int images = argc > 2 ? std::atoi(argv[2]) : 1024;
  if (size < 2 || images < kBatch) {
    std::fprintf(stderr, "usage: augment_bench [SIZE >= 2] [IMAGES >= %d]\n", kBatch);
    return 2;
  }
  const int side = size + size / 4 * 2;
  std::vector<uint8_t> pixels(static_cast<size_t>(images) * side * side * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 2654435761U >> 9);
  const ImageCanvas canvas{pixels.data(), side, side, size};
  const PixelScale scale = MakePixelScale({{0.4, 0.3, 0.2}, {0.2, 0.25, 0.3}});
  std::vector<float> out(static_cast<size_t>(kBatch) * size * size * 3);
  std::vector<int64_t> samples(kBatch);
  std::vector<Turn> turns(kBatch);
  std::vector<ImageChange> changes(kBatch);
  std::vector<Pass> passes = Passes();
  for (int round = 0; round < kRounds; ++round) {
    for (Pass& pass : passes) {
      pass.seconds.push_back(Seconds([&] {
        for (int first = 0; first + kBatch <= images; first += kBatch) {
          for (int i = 0; i < kBatch; ++i) samples[i] = (first + i) * 617LL % images;
          if (!NeedsInterpolation(pass.augment)) {
            for (int i = 0; i < kBatch; ++i) turns[i] = DrawTurn(pass.augment, 1, 1, first + i);
            GatherImages(canvas, samples, turns, scale, out.data());
            continue;
          }
          for (int i = 0; i < kBatch; ++i) {
            const float grey = pass.augment.contrast > 0.0 ? MeanGrey(canvas, samples[i]) : 0.0F;
            changes[i] = DrawChange(pass.augment, canvas, grey, 1, 1, first + i);
          }
          AugmentImages(canvas, samples, changes, scale, out.data());
        }
      }));
    }
  }
  const int done = images / kBatch * kBatch;
  double gather = 0.0;
  for (Pass& pass : passes) {
    std::nth_element(pass.seconds.begin(), pass.seconds.begin() + kRounds / 2, pass.seconds.end());
    const double rate = done / pass.seconds[kRounds / 2];
    if (gather == 0.0) gather = rate;
    std::printf("%-32s %9.0f images/s  %.2f of the gather's\n", pass.name.c_str(), rate,
                rate / gather);
  }
  return 0;
}

}  // namespace
}  // namespace skytrain::training

int main(int argc, char** argv) { return skytrain::training::Main(argc, argv); }
