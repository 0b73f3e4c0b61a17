#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/api/client.h"
#include "common/mutex.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::client {

// A real gRPC server on a Unix socket of its own, whose streams break where a test says so.
class FakeServer {
 public:
  // How one call of WatchEvents or ReadBlob goes.
  struct Script {
    int64_t messages = -1;                // Sent before the end; -1: all there are.
    absl::Status end = absl::OkStatus();  // Of the stream.
    int64_t repeat = 0;   // So many events before the ones asked for are sent again.
    int64_t skip = 0;     // So many events are left out.
    bool damage = false;  // The first chunk's bytes are not those of its checksum.
  };

  FakeServer();
  ~FakeServer();

  Target target() const;
  // Ends it for good.
  void Stop();

  // The job "jobs/a" and its events, numbered from 1.
  void SetEvents(int count);
  void SetBlob(std::string bytes);
  // The next streaming calls, in turn; when there are none left, streams go well.
  void Play(std::vector<Script> scripts);
  // Where streaming calls began: after_seq or offset.
  std::vector<int64_t> Starts();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace skytrain::client
