#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skytrain::client {

// The id of a request that is about to be sent, kept in a file until its answer is here: a client
// that is killed in between leaves the file, and the same command, given again within ten minutes,
// sends the same id, which the server answers with the same job.
//
// The file lies below $XDG_STATE_HOME/skytrain (or $HOME/.local/state/skytrain), named by a digest
// of what is asked of whom. The client that wrote it holds a lock on it, so that the same command
// started twice at once makes two jobs. Where no file can be written the id is simply not kept.
class PendingRequest {
 public:
  // Takes up the id that an interrupted client left for `key`, or makes a new one and saves it.
  // `state_dir`: see StateDir.
  PendingRequest(const std::string& state_dir, absl::string_view key);
  ~PendingRequest();  // Leaves the file.
  PendingRequest(const PendingRequest&) = delete;
  PendingRequest& operator=(const PendingRequest&) = delete;

  // $XDG_STATE_HOME/skytrain, $HOME/.local/state/skytrain; empty: neither is set.
  static std::string StateDir();

  const std::string& id() const { return id_; }
  // How long ago the interrupted client saved the id; zero: it is new.
  absl::Duration age() const { return age_; }
  // The answer is here: `status` says whether one can be sure of that. Removes the file then.
  void Answered(const absl::Status& status);

 private:
  bool TakeUp();

  std::string path_;
  std::string id_;
  absl::Duration age_;
  int fd_ = -1;  // Locked.
};

}  // namespace skytrain::client
