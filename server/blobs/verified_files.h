#pragma once

#include <sys/stat.h>

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace skytrain {

// Remembers which files were read whole and had the right SHA-256, by inode, size and times, so
// that going on with an interrupted read does not read everything again. Thread-safe.
class VerifiedFiles {
 public:
  // True: the file at `path`, which `info` describes, had this digest and was not touched since.
  bool Has(const std::string& path, const struct stat& info, absl::string_view sha256) const
      ABSL_LOCKS_EXCLUDED(mu_);
  void Add(const std::string& path, const struct stat& info, absl::string_view sha256)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Forget(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);

  // Reads the file unless that is known. DATA_LOSS without a reason, saying what is wrong with it:
  // absent, of another size, or with another digest.
  absl::Status Check(const std::string& path, int64_t size, absl::string_view sha256)
      ABSL_LOCKS_EXCLUDED(mu_);
  // The same of the file `fd` that was opened at `path`, from its first byte; it stays open, and
  // its offset is no more than a guess afterwards.
  absl::Status CheckOpen(int fd, const std::string& path, int64_t size, absl::string_view sha256)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable Mutex mu_;
  // Path -> identity and digest. One small entry for each file that was ever read.
  absl::flat_hash_map<std::string, std::string> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
