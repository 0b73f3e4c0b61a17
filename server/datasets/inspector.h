#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain {

// Looks into data sets through skytrain-probe, a process of its own, so that no byte of an
// untrusted file is parsed in the daemon. Remembers the manifest of the newest sets by the
// fingerprint of their files: asking again costs a few stats. Thread-safe; a call blocks until the
// probe is done.
class Inspector {
 public:
  struct Options {
    std::string probe_binary;             // Absolute path.
    std::string scratch_dir;              // For requests and answers; made when absent.
    std::vector<std::string> data_roots;  // Empty: anywhere.
    absl::Duration timeout = absl::Minutes(10);
    size_t max_remembered = 256;
    // Puts paths in place of names that stand for files of `owner`, and adds those to `roots`,
    // which are data_roots at first. May be empty.
    std::function<absl::Status(const std::string& owner, v1::Data& data,
                               std::vector<std::string>& roots)>
        locate;
  };
  explicit Inspector(Options options);
  ~Inspector();

  // Callers that ask for the same set at the same time share one probe. The errors are the probe's
  // (NOT_FOUND DATA_NOT_FOUND, INVALID_ARGUMENT DATA_INVALID, PERMISSION_DENIED
  // OUTSIDE_DATA_ROOTS), DEADLINE_EXCEEDED (PROBE_TIMEOUT), INTERNAL (PROBE_FAILED), UNAVAILABLE
  // (DRAINING), and those of Options::locate.
  absl::StatusOr<v1::DatasetManifest> Inspect(const v1::Data& data, const std::string& target,
                                              const std::string& owner) ABSL_LOCKS_EXCLUDED(mu_);

  // Ends the probes that run, now and later. Their callers get UNAVAILABLE (DRAINING).
  void Shutdown();

 private:
  using Result = absl::StatusOr<v1::DatasetManifest>;
  // One probe and everybody who waits for it.
  struct Flight {
    bool done = false;
    Result result = absl::UnknownError("not asked yet");
  };
  struct Remembered {
    v1::DatasetManifest manifest;
    int64_t last_use = 0;
  };

  Result InspectFiles(const v1::Data& data, const std::string& target,
                      const std::vector<std::string>& roots) ABSL_LOCKS_EXCLUDED(mu_);
  Result Probe(const v1::Data& data, const std::string& target,
               const std::vector<std::string>& roots);
  Result RunProbe(const std::string& request_path, const std::string& out_path,
                  const std::string& log_path, const std::vector<std::string>& roots);
  void Remember(const std::string& key, const v1::DatasetManifest& manifest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  const int stop_fd_;  // eventfd: readable once Shutdown was called.

  Mutex mu_;
  CondVar landed_;
  absl::flat_hash_map<std::string, std::shared_ptr<Flight>> flights_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Remembered> remembered_ ABSL_GUARDED_BY(mu_);
  int64_t uses_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace skytrain
