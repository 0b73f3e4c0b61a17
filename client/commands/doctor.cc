#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/api/hops.h"
#include "client/commands/commands.h"
#include "client/render/checks.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kHopTimeout = absl::Seconds(5);

// Walks from this machine to the devices and stops at what is broken.
class Doctor {
 public:
  explicit Doctor(Context& context) : context_(context) {}

  // The first broken thing's error, or OK.
  absl::Status Examine() {
    Add("client", absl::StrCat(SKYTRAIN_VERSION, context_.static_build ? ", static build" : ""));
    const absl::StatusOr<Target> target = context_.FindTarget();
    if (!target.ok()) return Broken("target", "none", target.status());
    Add("target", target->shown);
    if (target->kind != Target::Kind::kSsh) RETURN_IF_ERROR(WalkHops(*target));
    return AskServer(*target);
  }

  const std::vector<Check>& checks() const { return checks_; }

 private:
  Check& Add(absl::string_view name, std::string detail) {
    return checks_.emplace_back(Check{std::string(name), std::move(detail)});
  }

  absl::Status Broken(absl::string_view name, absl::string_view detail,
                      const absl::Status& status) {
    checks_.push_back(Check::Broken(name, detail, status));
    return status;
  }

  absl::Status WalkHops(const Target& target) {
    TlsFiles files;
    if (target.kind == Target::Kind::kTls) {
      const absl::StatusOr<TlsFiles> read = ReadTlsFiles(context_.Options().tls);
      if (!read.ok()) return Broken("files", "certificates", read.status());
      files = *read;
      if (!files.certificate.empty()) {
        Check& own = Add("files", "client certificate");
        WarnOfExpiry(CertificateExpiry(files.certificate), absl::Now(), kCertificateEarly,
                     "ask the server's administrator for a new one", own);
      }
    }
    for (const Hop& hop : WalkToServer(target, files, kHopTimeout)) {
      if (!hop.status.ok()) return Broken(hop.name, hop.detail, hop.status);
      WarnOfExpiry(hop.expiry, absl::Now(), kCertificateEarly, "tell the server's administrator",
                   Add(hop.name, hop.detail));
    }
    return absl::OkStatus();
  }

  absl::Status AskServer(const Target& target) {
    const char* hop = target.kind == Target::Kind::kSsh ? "ssh" : "daemon";
    const absl::StatusOr<Client*> connected = context_.Connect();
    if (!connected.ok()) return Broken("access", "", connected.status());
    Client& client = **connected;
    // The first call also connects; the second one's time is that of the way and the daemon.
    if (const absl::Status first = client.GetServerInfo().status(); !first.ok()) {
      return Broken(absl::IsUnauthenticated(first) ? "access" : hop, "", first);
    }
    if (target.kind == Target::Kind::kSsh) Add("ssh", client.Way());
    const absl::Time asked_at = absl::Now();
    const absl::StatusOr<v1::ServerInfo> info = client.GetServerInfo();
    const absl::Duration took = absl::Now() - asked_at;
    if (!info.ok()) return Broken("daemon", "", info.status());
    absl::StatusOr<v1::ListDevicesResponse> devices = client.ListDevices();
    const bool starting = info->phase() == v1::ServerInfo::PHASE_STARTING;
    if (!devices.ok() && !starting) return Broken("devices", "", devices.status());
    const v1::ListDevicesResponse known =
        devices.ok() ? *std::move(devices) : v1::ListDevicesResponse();
    for (Check& check : ChecksOfServer(*info, known, asked_at, took)) {
      checks_.push_back(std::move(check));
    }
    return absl::OkStatus();
  }

  Context& context_;
  std::vector<Check> checks_;
};

}  // namespace

absl::StatusOr<ExitCode> RunDoctor(Context& context) {
  // What is broken now is the answer; no second try unless asked for.
  if (!context.give_up.has_value()) context.give_up = absl::ZeroDuration();
  Doctor doctor(context);
  const absl::Status status = doctor.Examine();
  context.Out(context.format == Format::kTable
                  ? ChecksTable(doctor.checks(), context.out())
                  : ChecksJson(doctor.checks(), context.format == Format::kJson));
  RETURN_IF_ERROR(status);
  return kExitOk;
}

}  // namespace skytrain::client
