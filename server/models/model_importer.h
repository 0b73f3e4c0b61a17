#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/file/file_system.h"
#include "server/accounts/account.h"
#include "server/helper/helper_process.h"
#include "server/models/model_store.h"
#include "skytrain/v1/model_service.pb.h"

namespace skytrain {

// Makes models of weights from elsewhere. The weights are checked and converted by
// `skytrain-worker --import`, a process of its own, so that no byte of an untrusted file is parsed
// in the daemon; ModelStore publishes what that wrote. Thread-safe; calls take seconds.
class ModelImporter {
 public:
  struct Options {
    std::string worker_binary;  // Absolute path.
    // For what the helpers read and write; made when absent. With account_of it exists, and each
    // user has a folder of his own in it.
    std::string scratch_dir;
    FileSystem* fs = &FileSystem::Posix();
    absl::Duration timeout = absl::Minutes(10);
    // The file of what `owner` sent, by its digest, where the helper can read it. NOT_FOUND
    // (BLOB_NOT_FOUND).
    std::function<absl::StatusOr<std::string>(const std::string& owner, const std::string& sha256)>
        locate_blob;
    // Mode site: the account that the helper runs as for `owner`. Empty: as the daemon does.
    std::function<absl::StatusOr<Account>(const std::string& owner)> account_of;
  };
  // Both must outlive it. Removes what a daemon that died in an import left in scratch_dir.
  ModelImporter(Options options, ModelStore& models);

  // As ModelService.ImportModel. `is_job`: whether there is a job of a name, whose model would have
  // it. Besides those errors: INTERNAL (IMPORT_FAILED), DEADLINE_EXCEEDED (IMPORT_TIMEOUT),
  // UNAVAILABLE (DRAINING).
  absl::StatusOr<v1::Model> Import(const v1::ImportModelRequest& request, const std::string& owner,
                                   const std::function<bool(const std::string& id)>& is_job);

  // Ends the helpers that run, now and later. Their callers get UNAVAILABLE (DRAINING).
  void Shutdown() { stop_.Raise(); }

 private:
  // What the worker says of the weights: all of the model but what publishing adds.
  absl::StatusOr<v1::Model> RunWorker(const v1::ImportModelRequest& request,
                                      const std::string& weights, const std::string& dir,
                                      const Account* account);

  const Options options_;
  ModelStore& models_;
  HelperStop stop_;
};

}  // namespace skytrain
