#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/api/client.h"
#include "client/api/retry.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::client {

struct WatchOptions {
  std::string job;  // "jobs/{job}".
  int64_t after_seq = 0;
  bool follow = true;
  std::vector<v1::EventKind> kinds;       // Empty: all.
  std::vector<std::string> metric_names;  // Empty: all.
  int64_t metric_stride = 0;              // One point of each metric in so many steps; 0: all.
  Backoff backoff;
};

// Who hears of a followed job. Called from the thread that follows.
class WatchObserver {
 public:
  virtual ~WatchObserver() = default;
  virtual void OnEvent(const v1::Event& event) = 0;
  // No event for now (the server's sign of life, or the end of a batch): a good time to draw.
  virtual void OnBatchEnd() {}
  // The server has removed the events before `first_available_seq`; it goes on there.
  virtual void OnTruncated(int64_t first_available_seq) {}
  // Called once for each break, however many tries it takes to mend it.
  virtual void OnLinkLost(absl::string_view reason) {}
  // Called when everything missed has been delivered: `missed` events after `after_seq`.
  virtual void OnLinkBack(absl::Duration away, int64_t after_seq, int64_t missed) {}
};

// Delivers each event of the job after `after_seq` once, in order, whatever happens to the link: a
// broken stream is opened again behind the last event seen, until the client's `give_up` has passed
// without a word from the server; what comes twice is dropped, a hole in the numbers breaks the
// stream. OK after the job's last event (or at the present end when `follow` is false). Final
// errors: those with a reason of the server's other than UNAVAILABLE, an interruption (CANCELLED),
// and a server that was not reached within the client's first patience.
absl::Status Watch(Client& client, WatchOptions options, WatchObserver& observer);

}  // namespace skytrain::client
