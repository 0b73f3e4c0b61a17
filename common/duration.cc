#include "common/duration.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace skytrain {

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::string_view rest = text;
  int days = 0;
  bool good = text.find('-') == absl::string_view::npos;
  // Abseil knows no days: they have not always 24 hours. As spans of waiting they have.
  if (const size_t d = text.find('d'); d != absl::string_view::npos) {
    good = good && absl::SimpleAtoi(text.substr(0, d), &days);
    rest = text.substr(d + 1);
  }
  absl::Duration duration;
  if (good && !rest.empty()) good = absl::ParseDuration(rest, &duration);
  duration += absl::Hours(24) * days;
  good = good && !text.empty();
  if (good && duration < absl::InfiniteDuration()) return duration;
  return absl::InvalidArgumentError(
      absl::StrCat("must be a duration like 90s, 30m, 2h or 30d, not \"", text, "\""));
}

}  // namespace skytrain
