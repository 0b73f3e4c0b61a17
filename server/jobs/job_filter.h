#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// ListJobsRequest.filter, parsed: comparisons that must all hold.
//
//   filter     = [ comparison { "AND" comparison } ]
//   comparison = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//   field      = "state" | "owner" | "name" | "create_time" | "priority" | "labels." key
//   key, value = word | quoted            quoted: "…" or '…', with \ before a quote or a \ itself
//
// state takes = and != and a state in any case. name and owner take = and !=, and may end in *.
// create_time: "2026-01-31" (UTC) or RFC 3339, as in 2026-01-31T18:00:00Z. Labels are compared as
// numbers where both sides are numbers, else as text; a label that a job lacks differs from every
// value, and is neither less nor greater.
class JobFilter {
 public:
  // INVALID_ARGUMENT (BAD_FILTER), with the column at which it went wrong and what may stand there.
  static absl::StatusOr<JobFilter> Parse(absl::string_view text);

  bool Matches(const v1::Job& job) const;

  // For the store, which then reads less. A job that matches is in one of these states (bit n:
  // state n) …
  uint64_t States() const;
  // … and belongs to this owner ("": to any).
  std::string Owner() const;

 private:
  enum class Field { kState, kOwner, kName, kLabel, kCreateTime, kPriority };
  enum class Op { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
  struct Comparison {
    Field field = Field::kState;
    Op op = Op::kEqual;
    std::string label;       // The key.
    std::string text;        // Of kOwner, kName, kLabel.
    bool is_prefix = false;  // `text` ended in *.
    int64_t number = 0;      // State, priority, or nanoseconds since 1970.
  };
  class Parser;

  static bool Holds(const Comparison& comparison, const v1::Job& job);
  // Whether `op` holds for a value that is less (-1), equal (0) or greater (1) than the wanted one.
  static bool Fits(Op op, int order);

  std::vector<Comparison> comparisons_;
};

}  // namespace skytrain
