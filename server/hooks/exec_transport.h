#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/hooks/transport.h"

namespace skytrain {

// Runs a program for each delivery, as the daemon's own user (root, where the daemon is root): in
// "/", in a process group of its own, with the payload on stdin, and nothing in its environment but
//   PATH, LANG, SKYTRAIN_HOOK, SKYTRAIN_DELIVERY, SKYTRAIN_JOB, SKYTRAIN_JOB_UID, SKYTRAIN_OWNER,
//   SKYTRAIN_FROM, SKYTRAIN_TO
// (values of the payload; SKYTRAIN_FROM is empty for a new job). Exit code 0: delivered; else, and
// at the timeout, it is tried again, with the end of its output as the reason. At the timeout and
// on cancellation its group gets SIGTERM, and SIGKILL a second later.
class ExecTransport : public HookTransport {
 public:
  ExecTransport(std::vector<std::string> argv, absl::Duration timeout)
      : argv_(std::move(argv)), timeout_(timeout) {}
  absl::Status Deliver(const HookRow& row, int cancel_fd) override;

 private:
  const std::vector<std::string> argv_;
  const absl::Duration timeout_;
};

}  // namespace skytrain
