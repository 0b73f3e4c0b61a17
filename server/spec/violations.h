#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace skytrain::spec {

// Text of the user's, fit for an error message: control characters escaped, not overlong.
inline std::string Quotable(absl::string_view text) {
  return absl::Utf8SafeCHexEscape(Utf8Prefix(text, 80)) + (text.size() > 80 ? "…" : "");
}

// Collects what is wrong with an experiment, so that its author learns of all mistakes at once.
class Violations {
 public:
  void Add(std::string field, std::string description) {
    list_.push_back({std::move(field), std::move(description)});
  }
  void Range(const std::string& field, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return;
    Add(field, absl::StrCat("must be between ", Grouped(low), " and ", Grouped(high), ", not ",
                            Grouped(value)));
  }
  void NotNegative(const std::string& field, double value) {
    if (value >= 0 && std::isfinite(value)) return;
    Add(field, absl::StrCat("must be a finite number, 0 or greater, not ", value));
  }
  absl::Status ToStatus(absl::string_view reason = "INVALID_EXPERIMENT") const {
    return list_.empty() ? absl::OkStatus() : BadRequestError(reason, list_);
  }

  // Both lists as one error: INVALID_EXPERIMENT, or DATA_INVALID when only `of_data` has entries.
  absl::Status MergedWith(const Violations& of_data) const {
    Violations all = *this;
    all.list_.insert(all.list_.end(), of_data.list_.begin(), of_data.list_.end());
    return all.ToStatus(list_.empty() ? "DATA_INVALID" : "INVALID_EXPERIMENT");
  }

  // 1000000 -> "1,000,000".
  static std::string Grouped(int64_t n) {
    const std::string digits =
        absl::StrCat(n < 0 ? -static_cast<uint64_t>(n) : static_cast<uint64_t>(n));
    std::string grouped = n < 0 ? "-" : "";
    for (size_t i = 0; i < digits.size(); ++i) {
      if (i > 0 && (digits.size() - i) % 3 == 0) grouped.push_back(',');
      grouped.push_back(digits[i]);
    }
    return grouped;
  }

 private:
  std::vector<FieldViolation> list_;
};

}  // namespace skytrain::spec
