#include "server/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace skytrain {
namespace {

LogFormat log_format = LogFormat::kText;

// JSON's quoting, and only where a reader or a script would stumble.
std::string Quoted(const std::string& value) {
  const bool plain = !value.empty() && value.find_first_of(" \"=\\\n\r\t") == std::string::npos;
  if (plain) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void Write(spdlog::level::level_enum level, absl::string_view name, absl::string_view event,
           LogValues values) {
  spdlog::log(level, "{}", FormatLogLine(log_format, name, event, values));
}

}  // namespace

std::string FormatLogLine(LogFormat format, absl::string_view level, absl::string_view event,
                          LogValues values) {
  if (format == LogFormat::kText) {
    std::string line = absl::StrCat(level, " ", event);
    for (const auto& [key, value] : values) absl::StrAppend(&line, " ", key, "=", Quoted(value));
    return line;
  }
  // Without the opening brace and the time, which the pattern writes.
  std::string line = absl::StrCat("\"level\":\"", level,
                                  "\",\"event\":", nlohmann::json(std::string(event)).dump());
  for (const auto& [key, value] : values) {
    absl::StrAppend(
        &line, ",", nlohmann::json(std::string(key)).dump(), ":",
        nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return absl::StrCat(line, "}");
}

void SetUpLog(LogFormat format) {
  log_format = format;
  auto logger = std::make_shared<spdlog::logger>("skytraind",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  const char* time = "%Y-%m-%dT%H:%M:%S.%eZ";
  logger->set_pattern(format == LogFormat::kText ? absl::StrCat(time, " %v")
                                                 : absl::StrCat("{\"time\":\"", time, "\",%v"),
                      spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void LogInfo(absl::string_view event, LogValues values) {
  Write(spdlog::level::info, "info", event, values);
}
void LogWarning(absl::string_view event, LogValues values) {
  Write(spdlog::level::warn, "warning", event, values);
}
void LogError(absl::string_view event, LogValues values) {
  Write(spdlog::level::err, "error", event, values);
}

}  // namespace skytrain
