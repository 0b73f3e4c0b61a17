#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/render/terminal.h"
#include "skytrain/v1/node_service.pb.h"

namespace skytrain::client {

// One line of `skytrain doctor`.
struct Check {
  enum class Verdict { kOk, kWarning, kBroken };

  std::string name;    // "tls", "daemon".
  std::string detail;  // What was found.
  Verdict verdict = Verdict::kOk;
  std::string advice = {};  // What to do; empty when all is well.
  std::optional<absl::Duration> took = std::nullopt;

  static Check Broken(absl::string_view name, absl::string_view detail, const absl::Status& status);
};

// daemon, clock, access, devices, data and disk, as far as the server tells. `asked_at` and `took`:
// when the answer `info` was asked for, and how long it took, by our clock.
std::vector<Check> ChecksOfServer(const v1::ServerInfo& info,
                                  const v1::ListDevicesResponse& devices, absl::Time asked_at,
                                  absl::Duration took);

// Warns when `expiry` is near: 30 days for a certificate, 7 for a token.
void WarnOfExpiry(absl::Time expiry, absl::Time now, absl::Duration early, absl::string_view fix,
                  Check& check);
constexpr absl::Duration kCertificateEarly = absl::Hours(24 * 30);
constexpr absl::Duration kTokenEarly = absl::Hours(24 * 7);

std::string ChecksTable(const std::vector<Check>& checks, const Terminal& terminal);
// {"ok": …, "checks": [{"name", "detail", "verdict", "advice", "seconds"}, …]}
std::string ChecksJson(const std::vector<Check>& checks, bool pretty);

}  // namespace skytrain::client
