#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace skytrain {

// The daemon's log: one line for each event on stderr, with time, level and named values.
// Thread-safe.

enum class LogFormat {
  kText,  // 2026-03-01T12:00:00.123Z info serving address=unix:/run/skytrain/skytraind.sock
  kJson,  // {"time":"…","level":"info","event":"serving","address":"…"}
};
// Call once, before the first line.
void SetUpLog(LogFormat format);

using LogValues = std::initializer_list<std::pair<absl::string_view, std::string>>;
void LogInfo(absl::string_view event, LogValues values = {});
void LogWarning(absl::string_view event, LogValues values = {});
void LogError(absl::string_view event, LogValues values = {});

// The line without its time, for tests.
std::string FormatLogLine(LogFormat format, absl::string_view level, absl::string_view event,
                          LogValues values);

}  // namespace skytrain
