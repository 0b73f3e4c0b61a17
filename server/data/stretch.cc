#include "server/data/stretch.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace skytrain::data {
namespace {

// Of finite numbers; `values` is put into another order. Empty: 0.
float Quantile(std::vector<float>& values, double fraction) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<size_t>(at)];
}

std::vector<float> FiniteOf(const FluxPlane& band) {
  std::vector<float> finite;
  finite.reserve(band.size());
  std::copy_if(band.begin(), band.end(), std::back_inserter(finite),
               [](float flux) { return std::isfinite(flux); });
  return finite;
}

uint8_t ToByte(double value) {
  if (!(value > 0)) return 0;  // Nor is what is no number.
  return value < 255 ? static_cast<uint8_t>(std::lround(value)) : 255;
}

// The three colours of pixel `i`.
struct Colours {
  double red = 0, green = 0, blue = 0;
};
Colours ColoursOf(const std::vector<FluxPlane>& bands, size_t i) {
  if (bands.size() == 1) return {bands[0][i], bands[0][i], bands[0][i]};
  if (bands.size() == 3) return {bands[0][i], bands[1][i], bands[2][i]};
  return {bands[0][i], (double{bands[0][i]} + bands[1][i]) / 2, bands[1][i]};
}

void Asinh(const Stretch& stretch, std::vector<FluxPlane>& bands, Pixels& pixels) {
  for (FluxPlane& band : bands) {
    std::vector<float> finite = FiniteOf(band);
    const float background = Quantile(finite, 0.5);
    for (float& flux : band) flux = std::isfinite(flux) ? flux - background : 0;
  }
  const size_t count = bands[0].size();
  std::vector<float> size(count);
  const auto intensity = [&](size_t i) {
    const Colours c = ColoursOf(bands, i);
    return (c.red + c.green + c.blue) / 3;
  };
  for (size_t i = 0; i < count; ++i) size[i] = static_cast<float>(std::abs(intensity(i)));
  const double noise = 1.4826 * Quantile(size, 0.5);
  double width = stretch.width > 0 ? stretch.width : 10 * noise;
  if (!(width > 0)) width = 1;  // Without noise: every pixel alike.
  constexpr double kFraction = 0.1;
  const double slope = 255 * kFraction / std::asinh(kFraction * stretch.softening);
  for (size_t i = 0; i < count; ++i) {
    const Colours c = ColoursOf(bands, i);
    const double mean = intensity(i);
    double factor = mean > 0 ? slope * std::asinh(stretch.softening * mean / width) / mean : 0;
    const double largest = factor * std::max({c.red, c.green, c.blue});
    if (largest > 255) factor *= 255 / largest;
    pixels.rgb[3 * i] = ToByte(factor * c.red);
    pixels.rgb[3 * i + 1] = ToByte(factor * c.green);
    pixels.rgb[3 * i + 2] = ToByte(factor * c.blue);
  }
}

void Linear(const Stretch& stretch, std::vector<FluxPlane>& bands, Pixels& pixels) {
  std::vector<float> finite;
  for (const FluxPlane& band : bands) {
    const std::vector<float> of_band = FiniteOf(band);
    finite.insert(finite.end(), of_band.begin(), of_band.end());
  }
  const double low = stretch.low.value_or(Quantile(finite, 0.005));
  const double high = stretch.high.value_or(Quantile(finite, 0.995));
  const double scale = high > low ? 255 / (high - low) : 0;
  for (FluxPlane& band : bands) {
    for (float& flux : band) {
      if (!std::isfinite(flux)) flux = static_cast<float>(low);
    }
  }
  for (size_t i = 0; i < bands[0].size(); ++i) {
    const Colours c = ColoursOf(bands, i);
    pixels.rgb[3 * i] = ToByte(scale * (c.red - low));
    pixels.rgb[3 * i + 1] = ToByte(scale * (c.green - low));
    pixels.rgb[3 * i + 2] = ToByte(scale * (c.blue - low));
  }
}

}  // namespace

absl::Status ApplyStretch(const Stretch& stretch, std::vector<FluxPlane> bands, Pixels& pixels) {
  for (const FluxPlane& band : bands) {
    if (std::none_of(band.begin(), band.end(), [](float flux) { return std::isfinite(flux); })) {
      return absl::InvalidArgumentError("none of a band's pixels is a finite number");
    }
  }
  pixels.rgb.resize(3 * bands[0].size());
  pixels.undefined = 0;
  for (size_t i = 0; i < bands[0].size(); ++i) {
    pixels.undefined += std::any_of(bands.begin(), bands.end(),
                                    [i](const FluxPlane& band) { return !std::isfinite(band[i]); });
  }
  if (stretch.kind == Stretch::Kind::kLinear) {
    Linear(stretch, bands, pixels);
  } else {
    Asinh(stretch, bands, pixels);
  }
  return absl::OkStatus();
}

}  // namespace skytrain::data
