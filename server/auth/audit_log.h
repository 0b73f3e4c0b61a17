#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/clock.h"
#include "common/mutex.h"

namespace skytrain {

// One line of the audit log.
struct AuditEntry {
  std::string caller;    // Owner; empty when nobody was proven.
  std::string proof;     // "unix", "certificate", "token sky_<id>"; empty: none.
  std::string peer;      // "unix", "ipv4:10.0.0.5:40123".
  std::string method;    // "JobService/CreateJob"; "connect" for a connection that was closed.
  std::string resource;  // "jobs/abc"; empty: none.
  std::string result;    // "OK" or the code's name.
  std::string reason;    // ErrorInfo.reason of an error.
};

// Who did what: state_dir/audit.jsonl, one JSON object a line, mode 0600. A file of `max_bytes` is
// renamed to audit.jsonl.1, that one to .2, and so on; five are kept. A line is handed to the
// kernel before the call is answered, but not synced: the last ones may be lost in a power failure,
// not in a crash. Thread-safe.
class AuditLog {
 public:
  struct Options {
    std::string path;
    uint64_t max_bytes = 10 << 20;
    // A line could not be written (a full disk): the call is answered all the same. Any thread.
    std::function<void(const absl::Status&)> on_error;
  };
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(Options options, Clock& clock);
  ~AuditLog();

  void Write(const AuditEntry& entry) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  AuditLog(Options options, Clock& clock);
  absl::Status OpenFile() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Append(absl::string_view line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Rotate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  Clock& clock_;

  Mutex mu_;
  int fd_ ABSL_GUARDED_BY(mu_) = -1;
  uint64_t size_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace skytrain
