#include "server/spec/stretch_check.h"

#include <cmath>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"

namespace skytrain::spec {

void CheckStretch(const v1::Stretch& stretch, Violations& v) {
  const std::string field = "data.image.stretch";
  const auto positive = [&](const char* name, double value) {
    if (value != 0 && !(value > 0 && std::isfinite(value))) {
      v.Add(absl::StrCat(field, ".asinh.", name),
            absl::StrCat("must be greater than 0, not ", value));
    }
  };
  positive("softening", stretch.asinh().softening());
  positive("stretch", stretch.asinh().stretch());
  const v1::Stretch::Linear& linear = stretch.linear();
  for (const double end : {linear.low(), linear.high()}) {
    if (!std::isfinite(end)) v.Add(field + ".linear", "low and high must be finite numbers");
  }
  if (linear.has_low() && linear.has_high() && linear.low() >= linear.high()) {
    v.Add(field + ".linear",
          absl::StrCat("low must be less than high, not ", linear.low(), " and ", linear.high()));
  }
  if (stretch.bands_size() > 3) {
    v.Add(field + ".bands",
          absl::StrCat("at most three: red, green, blue; not ", stretch.bands_size()));
  }
  std::set<std::string> bands;
  for (const std::string& band : stretch.bands()) {
    if (band.empty() || !bands.insert(band).second) {
      v.Add(field + ".bands", absl::StrCat("\"", Quotable(band), "\" is empty or there twice"));
    }
  }
}

}  // namespace skytrain::spec
