#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <thread>

#include "common/mutex.h"

namespace skytrain {

// A bad network between a client and a server: carries connections, and at moments drawn from a
// seed delays, drops, resets or truncates them. Thread-safe.
class BadProxy {
 public:
  enum Fault {
    kNone,      // Carried to the end.
    kDelay,     // Nothing moves for a while; then on it goes, to the next fault.
    kDrop,      // Everything is swallowed for a while, as where a firewall forgot; then a reset.
    kReset,     // Ended at once, with what was under way.
    kTruncate,  // A part of what is in hand arrives, then a proper end.
  };
  static constexpr int kFaults = 5;

  // To `back`, "unix:PATH" or "127.0.0.1:PORT". Listens on a socket of the same kind.
  BadProxy(const std::string& back, uint32_t seed);
  ~BadProxy();
  BadProxy(const BadProxy&) = delete;
  BadProxy& operator=(const BadProxy&) = delete;

  // Where clients connect to, in the form of `back`.
  const std::string& front() const { return front_; }
  // How many connections met `fault`.
  int64_t count(Fault fault) const { return counts_[fault]; }

 private:
  // What is to happen next to a connection: after so many bytes from the server, or so much time.
  struct Plan {
    Fault fault;
    int64_t after_bytes;
    int after_ms;
    int pause_ms;
  };

  Plan Draw() ABSL_LOCKS_EXCLUDED(mu_);
  void Accept();
  void Carry(int client);
  // The fault that ended the connection between `client` and `server`.
  Fault Forward(int client, int server);

  const std::string back_;
  std::string folder_;  // Of the Unix socket; empty: TCP.
  std::string front_;
  int listener_ = -1;
  std::atomic<bool> done_ = false;
  std::array<std::atomic<int64_t>, kFaults> counts_{};
  Mutex mu_;
  std::mt19937 random_ ABSL_GUARDED_BY(mu_);
  int carried_ ABSL_GUARDED_BY(mu_) = 0;
  CondVar idle_;
  std::thread acceptor_;
};

}  // namespace skytrain
