#include "client/render/checks.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/timestamp.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kClockSkew = absl::Seconds(10);
constexpr int64_t kDiskAlmostFull = 90;  // Percent.

Check& Add(std::vector<Check>& checks, absl::string_view name, std::string detail) {
  checks.push_back({std::string(name), std::move(detail)});
  return checks.back();
}

void Warn(Check& check, absl::string_view advice) {
  check.verdict = Check::Verdict::kWarning;
  check.advice = std::string(advice);
}

void AddDaemon(const v1::ServerInfo& info, absl::Time now, absl::Duration took,
               std::vector<Check>& checks) {
  std::string detail = Printable(info.version());
  if (info.has_start_time()) {
    absl::StrAppend(&detail, ", up ", FormatAge(now - ToTime(info.start_time())));
  }
  const bool starting = info.phase() == v1::ServerInfo::PHASE_STARTING;
  const bool draining = info.phase() == v1::ServerInfo::PHASE_DRAINING;
  if (starting) absl::StrAppend(&detail, ", STARTING");
  if (draining) absl::StrAppend(&detail, ", DRAINING");
  if (info.phase() == v1::ServerInfo::PHASE_SERVING) absl::StrAppend(&detail, ", SERVING");
  Check& check = Add(checks, "daemon", std::move(detail));
  check.took = took;
  if (starting) Warn(check, "it recovers: wait a moment");
  if (draining) Warn(check, "it is being stopped: new jobs are refused");
}

void AddClock(const v1::ServerInfo& info, absl::Time asked_at, absl::Duration took,
              std::vector<Check>& checks) {
  if (!info.has_time()) return;
  // The server looked at its clock somewhere between question and answer.
  const absl::Duration skew = ToTime(info.time()) - (asked_at + took / 2);
  const absl::Duration size = absl::AbsDuration(skew);
  if (size <= kClockSkew) {
    Add(checks, "clock", "as ours");
    return;
  }
  Check& check = Add(checks, "clock",
                     absl::StrCat("the server's is ", FormatSpan(size),
                                  skew > absl::ZeroDuration() ? " ahead" : " behind"));
  Warn(check, "times in tables are off: set the clock by NTP, here or there");
}

void AddAccess(const v1::ServerInfo& info, absl::Time now, std::vector<Check>& checks) {
  std::string detail = Printable(info.caller());
  if (!info.role().empty()) absl::StrAppend(&detail, ", role ", Printable(info.role()));
  if (!info.mode().empty()) absl::StrAppend(&detail, ", ", Printable(info.mode()), " mode");
  Check& check = Add(checks, "access", std::move(detail));
  if (info.has_credential_expiry()) {
    WarnOfExpiry(ToTime(info.credential_expiry()), now, kTokenEarly,
                 "ask for a new token or certificate", check);
  }
}

void AddDevices(const v1::ListDevicesResponse& devices, std::vector<Check>& checks) {
  std::map<std::string, int> models;
  int free = 0;
  std::vector<std::string> unavailable;
  for (const v1::Device& device : devices.devices()) {
    const std::string kind =
        device.model().empty() ? device.name().substr(0, device.name().find(':')) : device.model();
    const std::string memory =
        device.memory_bytes() > 0 ? absl::StrCat(" ", FormatBytes(device.memory_bytes())) : "";
    ++models[absl::StrCat(Printable(kind), memory)];
    if (!device.unavailable().empty()) {
      unavailable.push_back(
          absl::StrCat(Printable(device.name()), " ", Printable(device.unavailable())));
    } else if (device.job().empty()) {
      ++free;
    }
  }
  const std::string all = absl::StrJoin(models, ", ", [](std::string* out, const auto& model) {
    absl::StrAppend(out, model.second, " x ", model.first);
  });
  Check& check =
      Add(checks, "devices", absl::StrCat(all.empty() ? "none" : all, ", ", free, " free"));
  if (!unavailable.empty()) Warn(check, absl::StrJoin(unavailable, "; "));
  if (devices.devices().empty()) Warn(check, "no job can start here");
}

void AddDisk(const v1::ServerInfo& info, std::vector<Check>& checks) {
  const int64_t total = info.disk().total_bytes();
  if (total <= 0) return;
  const int64_t used = std::clamp<int64_t>(
      100 - static_cast<int64_t>(100.0 * static_cast<double>(info.disk().free_bytes()) /
                                 static_cast<double>(total)),
      0, 100);
  Check& check = Add(checks, "disk",
                     absl::StrCat("state folder ", used, " % full, ",
                                  FormatBytes(info.disk().free_bytes()), " free"));
  if (used >= kDiskAlmostFull) Warn(check, "run: skytrain gc --dry-run");
  if (info.disk().full()) Warn(check, "new jobs are refused; run: skytrain gc --dry-run");
}

std::string VerdictText(const Check& check, const Terminal& terminal) {
  switch (check.verdict) {
    case Check::Verdict::kOk:
      return terminal.Green("ok");
    case Check::Verdict::kWarning:
      return terminal.Yellow("WARN");
    case Check::Verdict::kBroken:
      return terminal.Red("BROKEN");
  }
  return "";
}

}  // namespace

Check Check::Broken(absl::string_view name, absl::string_view detail, const absl::Status& status) {
  return {std::string(name), std::string(detail), Verdict::kBroken, std::string(status.message()),
          std::nullopt};
}

void WarnOfExpiry(absl::Time expiry, absl::Time now, absl::Duration early, absl::string_view fix,
                  Check& check) {
  if (expiry - now > early) return;
  const std::string when = expiry <= now ? absl::StrCat("expired ", FormatAge(now - expiry), " ago")
                                         : absl::StrCat("expires in ", FormatAge(expiry - now));
  Warn(check, absl::StrCat(when, ": ", fix));
}

std::vector<Check> ChecksOfServer(const v1::ServerInfo& info,
                                  const v1::ListDevicesResponse& devices, absl::Time asked_at,
                                  absl::Duration took) {
  std::vector<Check> checks;
  AddDaemon(info, asked_at, took, checks);
  AddClock(info, asked_at, took, checks);
  AddAccess(info, asked_at, checks);
  AddDevices(devices, checks);
  if (!info.data_roots().empty()) {
    Add(checks, "data", Printable(absl::StrJoin(info.data_roots(), ", ")));
  }
  AddDisk(info, checks);
  return checks;
}

std::string ChecksTable(const std::vector<Check>& checks, const Terminal& terminal) {
  int name_width = 0, detail_width = 0;
  for (const Check& check : checks) {
    name_width = std::max(name_width, DisplayWidth(check.name));
    detail_width = std::max(detail_width, DisplayWidth(check.detail));
  }
  std::string text;
  for (const Check& check : checks) {
    absl::StrAppend(&text, check.name, std::string(name_width - DisplayWidth(check.name) + 2, ' '),
                    check.detail, std::string(detail_width - DisplayWidth(check.detail) + 2, ' '),
                    VerdictText(check, terminal));
    if (check.took.has_value()) {
      absl::StrAppend(&text,
                      absl::StrFormat("   %.1f ms", absl::ToDoubleMilliseconds(*check.took)));
    }
    if (check.verdict == Check::Verdict::kWarning) absl::StrAppend(&text, " ", check.advice);
    absl::StrAppend(&text, "\n");
  }
  return text;
}

std::string ChecksJson(const std::vector<Check>& checks, bool pretty) {
  constexpr const char* kVerdicts[] = {"ok", "warning", "broken"};
  JsonWriter json(pretty);
  json.BeginObject();
  json.Key("ok");
  json.Bool(std::none_of(checks.begin(), checks.end(), [](const Check& check) {
    return check.verdict == Check::Verdict::kBroken;
  }));
  json.Key("checks");
  json.BeginList();
  for (const Check& check : checks) {
    json.BeginObject();
    json.Key("name");
    json.String(check.name);
    json.Key("detail");
    json.String(check.detail);
    json.Key("verdict");
    json.String(kVerdicts[static_cast<int>(check.verdict)]);
    if (!check.advice.empty()) {
      json.Key("advice");
      json.String(check.advice);
    }
    if (check.took.has_value()) {
      json.Key("seconds");
      json.Number(absl::ToDoubleSeconds(*check.took));
    }
    json.EndObject();
  }
  json.EndList();
  json.EndObject();
  return json.Finish();
}

}  // namespace skytrain::client
