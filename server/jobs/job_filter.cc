#include "server/jobs/job_filter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/timestamp.h"

namespace skytrain {
namespace {

constexpr size_t kMaxBytes = 4096;
constexpr size_t kMaxComparisons = 32;
constexpr absl::string_view kFields =
    "state, owner, name, labels.KEY, create_time and priority can be compared";

absl::Status BadFilter(size_t column, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_FILTER",
                         absl::StrCat("filter, column ", column + 1, ": ", what));
}

bool IsWordCharacter(char c) { return !absl::ascii_isspace(c) && !absl::StrContains("=!<>\"'", c); }

template <typename T>
int Compare(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

int CompareLabels(const std::string& a, const std::string& b) {
  double x = 0;
  double y = 0;
  if (absl::SimpleAtod(a, &x) && absl::SimpleAtod(b, &y)) return Compare(x, y);
  return Compare(a, b);
}

std::optional<absl::Time> ParseTime(const std::string& text) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  if (absl::ParseTime("%Y-%m-%d", text, absl::UTCTimeZone(), &time, &error)) return time;
  return std::nullopt;
}

std::string StateNames() {
  std::vector<std::string> names;
  for (int state = v1::QUEUED; state <= v1::JobState_MAX; ++state) {
    names.push_back(v1::JobState_Name(static_cast<v1::JobState>(state)));
  }
  return absl::StrJoin(names, ", ");
}

std::string IdOf(const v1::Job& job) { return job.name().substr(job.name().find('/') + 1); }

}  // namespace

class JobFilter::Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Comparison>> Parse() {
    std::vector<Comparison> comparisons;
    SkipSpace();
    if (AtEnd()) return comparisons;
    while (true) {
      ASSIGN_OR_RETURN(Comparison comparison, ParseComparison());
      comparisons.push_back(std::move(comparison));
      SkipSpace();
      if (AtEnd()) return comparisons;
      if (comparisons.size() == kMaxComparisons) {
        return BadFilter(at_, absl::StrCat("more than ", kMaxComparisons, " comparisons"));
      }
      const size_t start = at_;
      if (Word() != "AND") return BadFilter(start, "comparisons are joined by AND, nothing else");
      SkipSpace();
    }
  }

 private:
  absl::StatusOr<Comparison> ParseComparison() {
    Comparison comparison;
    RETURN_IF_ERROR(ParseField(comparison));
    SkipSpace();
    const size_t op_at = at_;
    if (!ParseOp(comparison.op)) return BadFilter(at_, "here must stand = != < <= > or >=");
    SkipSpace();
    const size_t value_at = at_;
    ASSIGN_OR_RETURN(const std::string value, ParseText("a value"));
    RETURN_IF_ERROR(SetValue(value, op_at, value_at, comparison));
    return comparison;
  }

  absl::Status ParseField(Comparison& comparison) {
    static constexpr std::pair<absl::string_view, Field> kNames[] = {
        {"state", Field::kState},
        {"owner", Field::kOwner},
        {"name", Field::kName},
        {"create_time", Field::kCreateTime},
        {"priority", Field::kPriority}};
    if (absl::StartsWith(text_.substr(at_), "labels.")) {
      at_ += 7;
      comparison.field = Field::kLabel;
      ASSIGN_OR_RETURN(comparison.label, ParseText("a label's key"));
      return absl::OkStatus();
    }
    const size_t start = at_;
    const absl::string_view word = Word();
    for (const auto& [name, field] : kNames) {
      if (name != word) continue;
      comparison.field = field;
      return absl::OkStatus();
    }
    return BadFilter(start, word.empty() ? absl::StrCat("here must stand a field: ", kFields)
                                         : absl::StrCat("no field '", word, "': ", kFields));
  }

  bool ParseOp(Op& op) {
    // The longer ones first.
    static constexpr std::pair<absl::string_view, Op> kOps[] = {
        {"!=", Op::kNotEqual}, {"<=", Op::kLessOrEqual}, {">=", Op::kGreaterOrEqual},
        {"=", Op::kEqual},     {"<", Op::kLess},         {">", Op::kGreater}};
    for (const auto& [name, value] : kOps) {
      if (!absl::StartsWith(text_.substr(at_), name)) continue;
      at_ += name.size();
      op = value;
      return true;
    }
    return false;
  }

  absl::Status SetValue(const std::string& value, size_t op_at, size_t value_at,
                        Comparison& comparison) {
    const bool equality = comparison.op == Op::kEqual || comparison.op == Op::kNotEqual;
    comparison.text = value;
    switch (comparison.field) {
      case Field::kState: {
        v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
        if (!equality) return BadFilter(op_at, "a state takes = or !=");
        if (!v1::JobState_Parse(absl::AsciiStrToUpper(value), &state) ||
            state == v1::JOB_STATE_UNSPECIFIED) {
          return BadFilter(value_at,
                           absl::StrCat("no state '", value, "'; there are ", StateNames()));
        }
        comparison.number = state;
        return absl::OkStatus();
      }
      case Field::kName:
      case Field::kOwner:
        if (!equality) return BadFilter(op_at, "a name takes = or !=");
        if (comparison.field == Field::kName) {
          comparison.text = std::string(absl::StripPrefix(value, "jobs/"));
        }
        comparison.is_prefix = absl::EndsWith(comparison.text, "*");
        if (comparison.is_prefix) comparison.text.pop_back();
        return absl::OkStatus();
      case Field::kCreateTime: {
        const std::optional<absl::Time> time = ParseTime(value);
        if (!time.has_value()) {
          return BadFilter(value_at, "a time is written 2026-01-31 or 2026-01-31T18:00:00Z");
        }
        comparison.number = absl::ToUnixNanos(*time);
        return absl::OkStatus();
      }
      case Field::kPriority:
        if (absl::SimpleAtoi(value, &comparison.number)) return absl::OkStatus();
        return BadFilter(value_at, "a priority is a whole number");
      case Field::kLabel:
        return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ParseText(absl::string_view what) {
    if (!AtEnd() && (text_[at_] == '"' || text_[at_] == '\'')) return ParseQuoted();
    const size_t start = at_;
    const absl::string_view word = Word();
    if (word.empty()) return BadFilter(start, absl::StrCat("here must stand ", what));
    return std::string(word);
  }

  absl::StatusOr<std::string> ParseQuoted() {
    const size_t start = at_;
    const char quote = text_[at_++];
    std::string value;
    while (!AtEnd() && text_[at_] != quote) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      value.push_back(text_[at_++]);
    }
    if (AtEnd()) return BadFilter(start, "this quote is not closed");
    ++at_;
    return value;
  }

  absl::string_view Word() {
    const size_t start = at_;
    while (!AtEnd() && IsWordCharacter(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  void SkipSpace() {
    while (!AtEnd() && absl::ascii_isspace(text_[at_])) ++at_;
  }
  bool AtEnd() const { return at_ == text_.size(); }

  const absl::string_view text_;
  size_t at_ = 0;
};

absl::StatusOr<JobFilter> JobFilter::Parse(absl::string_view text) {
  if (text.size() > kMaxBytes) {
    return BadFilter(kMaxBytes, absl::StrCat("a filter has at most ", kMaxBytes, " bytes"));
  }
  JobFilter filter;
  ASSIGN_OR_RETURN(filter.comparisons_, Parser(text).Parse());
  return filter;
}

bool JobFilter::Fits(Op op, int order) {
  switch (op) {
    case Op::kEqual:
      return order == 0;
    case Op::kNotEqual:
      return order != 0;
    case Op::kLess:
      return order < 0;
    case Op::kLessOrEqual:
      return order <= 0;
    case Op::kGreater:
      return order > 0;
    case Op::kGreaterOrEqual:
      return order >= 0;
  }
  return false;
}

bool JobFilter::Holds(const Comparison& comparison, const v1::Job& job) {
  const auto text_fits = [&](const std::string& value) {
    const bool same =
        comparison.is_prefix ? absl::StartsWith(value, comparison.text) : value == comparison.text;
    return Fits(comparison.op, same ? 0 : 1);
  };
  switch (comparison.field) {
    case Field::kState:
      return Fits(comparison.op, Compare<int64_t>(job.state(), comparison.number));
    case Field::kOwner:
      return text_fits(job.owner());
    case Field::kName:
      return text_fits(IdOf(job));
    case Field::kCreateTime:
      return Fits(comparison.op,
                  Compare(absl::ToUnixNanos(ToTime(job.create_time())), comparison.number));
    case Field::kPriority:
      return Fits(comparison.op,
                  Compare<int64_t>(job.experiment().queue().priority(), comparison.number));
    case Field::kLabel: {
      const auto& labels = job.experiment().labels();
      const auto label = labels.find(comparison.label);
      if (label == labels.end()) return comparison.op == Op::kNotEqual;
      return Fits(comparison.op, CompareLabels(label->second, comparison.text));
    }
  }
  return false;
}

bool JobFilter::Matches(const v1::Job& job) const {
  return std::all_of(comparisons_.begin(), comparisons_.end(),
                     [&job](const Comparison& comparison) { return Holds(comparison, job); });
}

uint64_t JobFilter::States() const {
  uint64_t states = ~uint64_t{0};
  for (const Comparison& comparison : comparisons_) {
    if (comparison.field != Field::kState) continue;
    const uint64_t bit = uint64_t{1} << comparison.number;
    states &= comparison.op == Op::kEqual ? bit : ~bit;
  }
  return states;
}

std::string JobFilter::Owner() const {
  for (const Comparison& comparison : comparisons_) {
    if (comparison.field == Field::kOwner && comparison.op == Op::kEqual && !comparison.is_prefix) {
      return comparison.text;
    }
  }
  return "";
}

}  // namespace skytrain
