#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/file/file_system.h"
#include "common/mutex.h"
#include "server/accounts/account.h"
#include "server/helper/helper_process.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/dataset_service.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain {

// Looks into data sets through skytrain-probe, a process of its own, so that no byte of an
// untrusted file is parsed in the daemon. Remembers the manifest of the newest sets by the
// fingerprint of their files: asking again costs a few stats. Thread-safe; a call blocks until the
// probe is done.
class Inspector {
 public:
  struct Options {
    std::string probe_binary;  // Absolute path.
    // For requests and answers; made when absent. With account_of it exists, and each user has a
    // folder of his own in it.
    std::string scratch_dir;
    FileSystem* fs = &FileSystem::Posix();  // For what lies in scratch_dir.
    std::vector<std::string> data_roots;    // Empty: anywhere.
    absl::Duration timeout = absl::Minutes(10);
    size_t max_remembered = 256;
    // Puts paths in place of names that stand for files of `owner`, and adds those to `roots`,
    // which are data_roots at first. May be empty.
    std::function<absl::Status(const std::string& owner, v1::Data& data,
                               std::vector<std::string>& roots)>
        locate;
    // Mode site: the account that the probe runs as for `owner`, and with whose rights files are
    // looked at. Its errors are passed on. Empty: as the daemon does.
    std::function<absl::StatusOr<Account>(const std::string& owner)> account_of;
  };
  explicit Inspector(Options options);

  // Callers that ask for the same set at the same time share one probe. The errors are the probe's
  // (NOT_FOUND DATA_NOT_FOUND, INVALID_ARGUMENT DATA_INVALID, PERMISSION_DENIED
  // OUTSIDE_DATA_ROOTS), DEADLINE_EXCEEDED (PROBE_TIMEOUT), INTERNAL (PROBE_FAILED), UNAVAILABLE
  // (DRAINING), and those of Options::locate.
  // `unlabelled`: nothing is asked of the samples, as in InspectDatasetRequest.
  absl::StatusOr<v1::DatasetManifest> Inspect(const v1::Data& data, const v1::Task& task,
                                              const std::string& owner, bool unlabelled = false)
      ABSL_LOCKS_EXCLUDED(mu_);

  // A sheet with images of the set, made anew each time. The same errors.
  absl::StatusOr<v1::PreviewDatasetResponse> Preview(const v1::PreviewDatasetRequest& request,
                                                     const std::string& owner);

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

  // What a probe works with on behalf of an owner.
  struct Surroundings {
    std::vector<std::string> roots;
    std::optional<Account> account;  // None: as the daemon.
  };
  // Puts paths in place of names in `data`.
  absl::StatusOr<Surroundings> Locate(const std::string& owner, v1::Data& data);
  Result InspectFiles(v1::InspectDatasetRequest request, const Surroundings& surroundings)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Has a probe, started with `flags`, answer `request`: with its answer, or its error.
  absl::StatusOr<std::string> Probe(const google::protobuf::Message& request,
                                    const std::vector<std::string>& flags,
                                    const Surroundings& surroundings);
  void Remember(const std::string& key, const v1::DatasetManifest& manifest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  HelperStop stop_;

  Mutex mu_;
  CondVar landed_;
  absl::flat_hash_map<std::string, std::shared_ptr<Flight>> flights_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Remembered> remembered_ ABSL_GUARDED_BY(mu_);
  int64_t uses_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace skytrain
