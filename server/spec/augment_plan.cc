#include "server/spec/augment_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"

namespace skytrain::spec {
namespace {

constexpr double kLowestScale = 0.25, kHighestScale = 4.0;

std::string Field(absl::string_view name) { return absl::StrCat("data.augment.", name); }

double Fraction(absl::string_view name, double value, double most, Violations& v) {
  if (!(value >= 0 && value <= most)) {
    v.Add(Field(name), absl::StrCat("must be between 0 and ", most, ", not ", value));
  }
  return value;
}

void PlanScale(const v1::Augment& augment, AugmentPlan& plan, Violations& v) {
  if (augment.scale().empty()) return;
  if (augment.scale_size() != 2) {
    v.Add(Field("scale"),
          absl::StrCat("must be two numbers, the least and the largest factor, not ",
                       augment.scale_size()));
    return;
  }
  const double low = augment.scale(0), high = augment.scale(1);
  if (!(low >= kLowestScale && low <= high && high <= kHighestScale)) {
    v.Add(Field("scale"),
          absl::StrCat("must be [low, high] with ", kLowestScale,
                       " <= low <= high <= ", kHighestScale, ", not [", low, ", ", high, "]"));
    return;
  }
  plan.scale_low = low;
  plan.scale_high = high;
}

void PlanFlippedClasses(const v1::Augment& augment, AugmentPlan& plan, Violations& v) {
  if (augment.flip_swaps_classes_size() > 0 && !augment.flip()) {
    v.Add(Field("flip_swaps_classes"), "needs flip: true; without flips no label has to change");
  }
  std::map<std::string, std::string> places;
  for (int i = 0; i < augment.flip_swaps_classes_size(); ++i) {
    const auto& names = augment.flip_swaps_classes(i).names();
    const std::string field = absl::StrCat(Field("flip_swaps_classes"), "[", i, "]");
    if (names.size() != 2) {
      v.Add(field, absl::StrCat("must be a list of two classes, not of ", names.size()));
      continue;
    }
    for (const std::string& name : names) {
      const auto [first, inserted] = places.emplace(name, field);
      if (!inserted) {
        v.Add(field, absl::StrCat("names the class \"", Quotable(name), "\", which ",
                                  first->second == field ? "it" : first->second,
                                  " names already: a class has one mirror image"));
      }
    }
    plan.flip_swaps_classes.emplace_back(names[0], names[1]);
  }
}

}  // namespace

AugmentPlan PlanAugment(const v1::Data& data, Violations& v) {
  const v1::Augment& augment = data.augment();
  AugmentPlan plan;
  plan.rotate90 = augment.rotate90();
  plan.flip = augment.flip();
  if (augment.has_rotate()) {
    plan.rotate_degrees = augment.rotate().degrees();
    if (!(plan.rotate_degrees > 0 && plan.rotate_degrees <= 180)) {
      v.Add(Field("rotate.degrees"),
            absl::StrCat("required: greater than 0 and at most 180, not ", plan.rotate_degrees));
    }
  }
  PlanScale(augment, plan, v);
  plan.translate = Fraction("translate", augment.translate(), 0.5, v);
  plan.brightness = Fraction("brightness", augment.brightness(), 1, v);
  plan.contrast = Fraction("contrast", augment.contrast(), 1, v);
  plan.saturation = Fraction("saturation", augment.saturation(), 1, v);
  plan.greyscale = Fraction("greyscale", augment.greyscale(), 1, v);
  plan.noise = Fraction("noise", augment.noise(), 1, v);
  plan.cutout = Fraction("cutout", augment.cutout(), 1, v);
  PlanFlippedClasses(augment, plan, v);
  if (!data.has_image() && augment.ByteSizeLong() > 0) {
    v.Add("data.augment", "is for images: set data.image too, or leave it out for a table");
  }
  return plan;
}

void CheckFlippedClasses(const AugmentPlan& augment, const std::vector<std::string>& classes,
                         Violations& v) {
  for (size_t i = 0; i < augment.flip_swaps_classes.size(); ++i) {
    const auto& [one, other] = augment.flip_swaps_classes[i];
    for (const std::string& name : {one, other}) {
      if (std::find(classes.begin(), classes.end(), name) != classes.end()) continue;
      const std::string nearest = NearestName(name, classes);
      v.Add(
          absl::StrCat(Field("flip_swaps_classes"), "[", i, "]"),
          absl::StrCat("there is no class \"", Quotable(name), "\"",
                       nearest.empty() ? absl::StrCat("; there are ", absl::StrJoin(classes, ", "))
                                       : absl::StrCat("; did you mean ", Quotable(nearest), "?")));
    }
  }
}

double CanvasMargin(const AugmentPlan& augment) {
  // Side of the square around the input's, turned, over the input's.
  const double angle = std::min(augment.rotate_degrees, 45.0) * std::numbers::pi / 180.0;
  const double needed =
      (std::cos(angle) + std::sin(angle)) * (1.0 + 2.0 * augment.translate) / augment.scale_low;
  if (needed <= 1.0) return 1.0;
  return needed <= 1.5 ? 1.5 : 2.0;
}

int CanvasSide(int size, double center_crop, double margin) {
  margin = std::min(margin, 1.0 / center_crop);
  return size + 2 * static_cast<int>(size * (margin - 1.0) / 2.0);
}

}  // namespace skytrain::spec
