#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace skytrain {

// The daemon's Unix socket. It is bound and accepted on here rather than by gRPC, because then the
// kernel says who calls (SO_PEERCRED), and because a second gRPC server would silently take over a
// live path.
//
// Who owns the path: the holder of a flock on PATH.lock, which stays for the process's life and is
// never removed. Only the holder unlinks a stale socket, and at the end only the socket that it
// bound itself.
//
// A connection that is not for its caller is closed before a byte of it is read.
class UnixListener {
 public:
  // Who gets through.
  enum class Audience {
    kOwnUser,   // The process's own uid: folder 0700, socket 0600.
    kEveryone,  // Every user of this machine: folder 0755, socket 0666.
  };
  // A connected socket (non-blocking, close-on-exec) that the callee owns from now on. Runs on the
  // listener's thread.
  using OnConnection = std::function<void(int fd, uid_t uid)>;
  // A connection of `uid` was refused. Runs on the listener's thread.
  using OnRefused = std::function<void(uid_t uid)>;

  // Makes the folder when it is absent, takes the lock, binds and listens; connections
  // wait until Start. INVALID_ARGUMENT (BAD_SOCKET_PATH: too long, or something else lies there),
  // PERMISSION_DENIED (UNSAFE_SOCKET_FOLDER: not of this user or root, or others may write to it),
  // FAILED_PRECONDITION (SOCKET_IN_USE).
  static absl::StatusOr<std::unique_ptr<UnixListener>> Bind(const std::string& path,
                                                            Audience audience = Audience::kOwnUser);
  ~UnixListener();

  // Call once.
  void Start(OnConnection on_connection, OnRefused on_refused);
  // No callback runs after it has returned; the socket is gone when it was still ours.
  void Stop();

  const std::string& path() const { return path_; }

 private:
  UnixListener(std::string path, int lock_fd, Audience audience);
  absl::Status BindSocket();
  absl::Status RemoveStaleSocket() const;
  void AcceptLoop();

  const std::string path_;
  const int lock_fd_;
  const Audience audience_;
  int listen_fd_ = -1;
  int stop_fd_ = -1;  // eventfd: wakes the loop for the last time.
  dev_t device_ = 0;  // Of the socket bound.
  ino_t inode_ = 0;
  OnConnection on_connection_;
  OnRefused on_refused_;
  std::thread thread_;
};

}  // namespace skytrain
