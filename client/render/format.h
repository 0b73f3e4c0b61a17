#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skytrain::client {

std::string FormatCount(int64_t count);       // "1,777"
std::string FormatBytes(int64_t bytes);       // "44.7 MB" (10^6)
std::string FormatMillions(int64_t count);    // "11.2 M", "4,227"
std::string FormatSpan(absl::Duration span);  // "0.4s", "12s", "1m32s", "2h05m", "3d4h"
std::string FormatAge(
    absl::Duration span);  // One unit and a half: "12s", "1m10s", "4m", "2h", "9d"
// A moment to come, in local time: "about 14:20", "about Mar 2 02:00" on another day, "now".
std::string StartText(absl::Time start, absl::Time now);
std::string FormatMetric(double value);  // Four significant digits: "0.8420", "1.8e+04", "nan"
std::string FormatSha256(absl::string_view hex);            // "3f9c…e1"
std::string Plural(int64_t count, absl::string_view noun);  // "1 job", "2,210 events"

// Columns that `text` takes on a terminal, UTF-8 decoded; escape sequences take none.
int DisplayWidth(absl::string_view text);
// `text` cut to `width` columns, the last one "…" when something was cut.
std::string Ellipsize(absl::string_view text, int width);
// `text` with every byte that is not valid UTF-8 replaced by U+FFFD.
std::string ValidUtf8(absl::string_view text);
// As ValidUtf8, and control characters other than newline and tab replaced too: what a job wrote
// must not steer the terminal.
std::string Printable(absl::string_view text);

// A line "  WHAT   VALUE" with the values below each other `width` columns in; empty without a
// value.
std::string FieldLine(absl::string_view what, absl::string_view value, int width);

// "jobs/a" → "a"; "models/m/versions/2" → "m@2"; "datasets/a/b" → "a/b"; anything else as it is.
std::string ShortName(absl::string_view resource);

}  // namespace skytrain::client
