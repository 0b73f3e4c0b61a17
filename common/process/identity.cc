#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/file/file_system.h"
#include "common/process/pidfd.h"
#include "common/process/process.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using internal::v1::ProcessId;

constexpr uint64_t kMaxProcFile = 1 << 16;

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

absl::StatusOr<std::string> BootId() {
  ASSIGN_OR_RETURN(const std::string text,
                   FileSystem::Posix().ReadFile("/proc/sys/kernel/random/boot_id", kMaxProcFile));
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::Status NoSuchProcess(int pid) {
  return absl::NotFoundError(absl::StrCat("no process ", pid, " is running"));
}

// Start time in clock ticks since boot. NOT_FOUND also for a zombie: it runs no code any more.
absl::StatusOr<uint64_t> StartTime(int pid) {
  auto stat = FileSystem::Posix().ReadFile(absl::StrCat("/proc/", pid, "/stat"), kMaxProcFile);
  if (!stat.ok()) return NoSuchProcess(pid);
  // The second field is the name in parentheses and may hold anything, also ')': count from the
  // last one.
  const size_t close = stat->rfind(')');
  if (close == std::string::npos) return NoSuchProcess(pid);
  const std::vector<absl::string_view> fields = absl::StrSplit(
      absl::string_view(*stat).substr(close + 1), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  constexpr size_t kState = 0, kStart = 19;  // Fields 3 and 22 of proc(5).
  uint64_t start = 0;
  if (fields.size() <= kStart || !absl::SimpleAtoi(fields[kStart], &start)) {
    return absl::InternalError(absl::StrCat("cannot understand /proc/", pid, "/stat"));
  }
  if (fields[kState] == "Z" || fields[kState] == "X") return NoSuchProcess(pid);
  return start;
}

}  // namespace

absl::StatusOr<ProcessId> Self() { return Identify(getpid()); }

absl::StatusOr<ProcessId> Identify(int pid) {
  ProcessId id;
  ASSIGN_OR_RETURN(const uint64_t start, StartTime(pid));
  ASSIGN_OR_RETURN(*id.mutable_boot_id(), BootId());
  id.set_host(HostName());
  id.set_pid(pid);
  id.set_start_time(start);
  return id;
}

Liveness IsAlive(const ProcessId& id) {
  if (id.host() != HostName()) return Liveness::kUnknown;
  const auto boot = BootId();
  if (!boot.ok()) return Liveness::kUnknown;
  if (id.boot_id() != *boot) return Liveness::kDead;
  const auto start = StartTime(id.pid());
  if (absl::IsNotFound(start.status())) return Liveness::kDead;
  if (!start.ok()) return Liveness::kUnknown;
  return *start == id.start_time() ? Liveness::kAlive : Liveness::kDead;
}

absl::StatusOr<uint32_t> UserOf(int pid) {
  // Not the owner of /proc/PID, which is root for a process that has changed its user.
  const auto status =
      FileSystem::Posix().ReadFile(absl::StrCat("/proc/", pid, "/status"), kMaxProcFile);
  if (!status.ok()) return NoSuchProcess(pid);
  for (absl::string_view line : absl::StrSplit(*status, '\n')) {
    if (!absl::ConsumePrefix(&line, "Uid:")) continue;
    const std::vector<absl::string_view> ids =
        absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    uint32_t uid = 0;
    if (!ids.empty() && absl::SimpleAtoi(ids[0], &uid)) return uid;
  }
  return NoSuchProcess(pid);
}

absl::Status SignalProcess(const ProcessId& id, int signal, std::optional<uint32_t> uid) {
  // The order matters: once the pidfd is open the pid cannot come to mean another process for it,
  // so the comparison that follows holds for the signal too.
  const int fd = id.pid() > 0 ? PidfdOpen(id.pid()) : -1;
  if (fd < 0) return NoSuchProcess(id.pid());
  absl::Status status;
  switch (IsAlive(id)) {
    case Liveness::kAlive:
      if (uid.has_value() && UserOf(id.pid()).value_or(~*uid) != *uid) {
        status = NoSuchProcess(id.pid());
      } else if (PidfdSendSignal(fd, signal) != 0) {
        status = errno == ESRCH
                     ? NoSuchProcess(id.pid())
                     : absl::ErrnoToStatus(errno, absl::StrCat("cannot signal process ", id.pid()));
      }
      break;
    case Liveness::kDead:
      status = NoSuchProcess(id.pid());
      break;
    case Liveness::kUnknown:
      status = absl::FailedPreconditionError(
          absl::StrCat("process ", id.pid(), " belongs to host ", id.host(), ", not to this one"));
      break;
  }
  close(fd);
  return status;
}

}  // namespace skytrain
