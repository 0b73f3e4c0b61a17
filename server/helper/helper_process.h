#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/file/file_system.h"
#include "server/accounts/account.h"

namespace skytrain {

// Ends the helpers that run, now and later: for the daemon's end. Thread-safe.
class HelperStop {
 public:
  HelperStop();
  ~HelperStop();
  HelperStop(const HelperStop&) = delete;
  HelperStop& operator=(const HelperStop&) = delete;

  void Raise();
  int fd() const { return fd_; }  // Readable once Raise was called.

 private:
  const int fd_;
};

// A short-lived program that does for the daemon what must not be done within it: skytrain-probe,
// `skytrain-worker --import`. Exit 0: its answer is in a file; exit 1: StatusToBytes is in it;
// anything else: it broke, and the last line that it wrote to stderr says how.
struct Helper {
  std::string what;               // For messages: "the inspection of the data set".
  std::string failed, timed_out;  // Reasons of its errors: "PROBE_FAILED", "PROBE_TIMEOUT".
  std::vector<std::string> argv;  // argv[0]: absolute path.
  std::string out_path;           // The file with its answer.
  uint64_t max_answer_bytes = 64 << 20;
  std::string log_path;                   // For its stderr; must not exist yet.
  FileSystem* fs = &FileSystem::Posix();  // For those two.
  absl::Duration timeout = absl::Minutes(10);
  // Mode site: whom it becomes, told by --run-as. Null: it runs as the daemon does.
  const Account* account = nullptr;
};

// Starts the helper and waits for its answer; a child that takes too long, or is still there when
// `stop` is raised, is killed, and is always reaped. The errors are the helper's own, INTERNAL
// (Helper::failed), DEADLINE_EXCEEDED (Helper::timed_out), UNAVAILABLE (DRAINING).
absl::StatusOr<std::string> RunHelper(const Helper& helper, const HelperStop& stop);

// A name for the files of one helper in `scratch_dir`, which is made where it is missing; with an
// account, which owns them, in its own folder there, where `scratch_dir` exists.
absl::StatusOr<std::string> HelperPath(FileSystem& fs, const std::string& scratch_dir,
                                       const Account* account);

}  // namespace skytrain
