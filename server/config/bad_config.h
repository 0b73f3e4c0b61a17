#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/errors.h"

namespace skytrain {

// INVALID_ARGUMENT (BAD_CONFIG).
inline absl::Status BadConfig(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_CONFIG", message);
}

// Several mistakes as one error.
class Mistakes {
 public:
  void Add(const absl::Status& mistake) {
    if (mistake.ok()) return;
    if (first_.ok()) first_ = mistake;
    lines_.emplace_back(mistake.message());
  }
  // OK; or a line each, with the code and the reason of the first.
  absl::Status ToStatus() const {
    if (first_.ok()) return first_;
    return ErrorWithReason(first_.code(), ReasonOf(first_), absl::StrJoin(lines_, "\n"));
  }

 private:
  absl::Status first_;
  std::vector<std::string> lines_;
};

}  // namespace skytrain
