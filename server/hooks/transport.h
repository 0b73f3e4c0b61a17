#pragma once

#include <memory>

#include "absl/status/status.h"
#include "server/hooks/hook.h"
#include "server/store/hook_rows.h"

namespace skytrain {

// One way to tell somebody. Thread-safe.
class HookTransport {
 public:
  virtual ~HookTransport() = default;
  // Blocks until the receiver has taken `row`, refused it, or the hook's timeout is over. Returns
  // soon when `cancel_fd` becomes readable.
  //   OK: delivered.          UNAVAILABLE: try again, not before RetryDelayOf() where it says so.
  //   CANCELLED: cancel_fd.   Any other: the receiver will not take it, however often it is asked.
  virtual absl::Status Deliver(const HookRow& row, int cancel_fd) = 0;
};

// As `hook` says: a program or an HTTP request.
std::unique_ptr<HookTransport> MakeHookTransport(const Hook& hook);

}  // namespace skytrain
