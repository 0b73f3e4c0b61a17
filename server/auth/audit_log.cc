#include "server/auth/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr int kKept = 5;

std::string LineOf(const AuditEntry& entry, absl::Time now) {
  nlohmann::ordered_json json;
  json["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", now, absl::UTCTimeZone());
  json["caller"] = entry.caller;
  json["proof"] = entry.proof;
  json["peer"] = entry.peer;
  json["method"] = entry.method;
  json["resource"] = entry.resource;
  json["result"] = entry.result;
  if (!entry.reason.empty()) json["reason"] = entry.reason;
  return json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

AuditLog::AuditLog(Options options, Clock& clock) : options_(std::move(options)), clock_(clock) {}

AuditLog::~AuditLog() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(Options options, Clock& clock) {
  std::unique_ptr<AuditLog> log(new AuditLog(std::move(options), clock));
  MutexLock lock(log->mu_);
  RETURN_IF_ERROR(log->OpenFile());
  return log;
}

absl::Status AuditLog::OpenFile() {
  const char* path = options_.path.c_str();
  fd_ = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  struct stat info;
  if (fstat(fd_, &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
  size_ = static_cast<uint64_t>(info.st_size);
  return absl::OkStatus();
}

absl::Status AuditLog::Rotate() {
  close(std::exchange(fd_, -1));
  for (int number = kKept - 1; number >= 0; --number) {
    const std::string from = number == 0 ? options_.path : absl::StrCat(options_.path, ".", number);
    const std::string to = absl::StrCat(options_.path, ".", number + 1);
    if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot rename ", from));
    }
  }
  return absl::OkStatus();
}

absl::Status AuditLog::Append(absl::string_view line) {
  if (fd_ >= 0 && size_ > 0 && size_ + line.size() > options_.max_bytes) RETURN_IF_ERROR(Rotate());
  if (fd_ < 0) RETURN_IF_ERROR(OpenFile());
  // In one piece: a reader sees whole lines.
  const ssize_t written = write(fd_, line.data(), line.size());
  if (written < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write to ", options_.path));
  }
  size_ += static_cast<uint64_t>(written);
  if (static_cast<size_t>(written) == line.size()) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(options_.path, ": the disk is full"));
}

void AuditLog::Write(const AuditEntry& entry) {
  const std::string line = LineOf(entry, clock_.Now());
  absl::Status status;
  {
    MutexLock lock(mu_);
    status = Append(line);
  }
  if (!status.ok() && options_.on_error) options_.on_error(status);
}

}  // namespace skytrain
