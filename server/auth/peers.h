#pragma once

#include <sys/types.h>

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mutex.h"

namespace skytrain {

// The user name of `uid`, or "uid-N" when the system knows none.
std::string UserName(uid_t uid);

// Who is at the other end of each connection. gRPC names a connection that was handed to it as
// descriptor N by the peer "fd:N". Thread-safe.
//
// A descriptor's number is used again once gRPC has closed it. That is safe: the next connection
// with that number is added here before gRPC gets it, and a transport keeps its descriptor open for
// as long as one of its calls lives, so a call never finds the entry of a successor.
class Peers {
 public:
  struct User {
    uid_t uid;
    std::string name;
  };

  void Add(int fd, uid_t uid) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether `peer` is a connection of this kind at all.
  static bool IsUnix(absl::string_view peer);
  // The caller at `peer`. UNAUTHENTICATED (UNKNOWN_PEER).
  absl::StatusOr<User> UserAt(absl::string_view peer) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable Mutex mu_;
  absl::flat_hash_map<int, uid_t> uid_of_fd_ ABSL_GUARDED_BY(mu_);
  // Looked up once: the name service may be a slow remote one.
  absl::flat_hash_map<uid_t, std::string> name_of_uid_ ABSL_GUARDED_BY(mu_);
};

}  // namespace skytrain
