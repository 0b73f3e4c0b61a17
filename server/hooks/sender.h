#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "server/hooks/backoff.h"
#include "server/hooks/transport.h"
#include "server/store/database.h"

namespace skytrain {

// How one try went.
struct HookReport {
  enum class Outcome {
    kDelivered,
    kFailed,   // It is tried again, after `pause`.
    kGivenUp,  // Too old, refused for good, or damaged in the database.
  };
  Outcome outcome = Outcome::kDelivered;
  std::string hook;
  std::string job_id;  // Empty when the row cannot be read.
  std::string delivery;
  int tries = 1;        // By this daemon.
  std::string message;  // What went wrong.
  absl::Duration pause;
};

// Delivers the rows of `hook_deliveries`: at least once, for each job and hook in the order of the
// events. Nobody waits for it. Thread-safe.
//
// Each hook has its own threads and its own queue, in which every job has a lane: a receiver that
// hangs holds up its own hook, a delivery that fails the later ones of its own job. A row is
// removed when it is delivered or given up; a daemon that dies in between delivers it again, with
// the same id. Pauses between tries are kept in memory: a new daemon tries at once.
class HookSender {
 public:
  struct Receiver {
    std::string hook;
    absl::Duration max_age;
    std::unique_ptr<HookTransport> transport;
  };
  // All functions are quick, and called on threads of the sender.
  struct Options {
    int at_once = 2;  // Deliveries of one hook under way.
    HookBackoff backoff;
    std::function<void(const HookReport&)> report;
    std::function<void(const std::string& hook, int64_t pending)> on_pending;
    std::function<void(absl::string_view line)> log;
  };
  HookSender(Options options, std::vector<Receiver> receivers, Database& database, Clock& clock);
  ~HookSender();  // As Shutdown.

  // Begins: drops what is left for hooks that are no longer configured, and takes up the rest.
  void Start();
  // There are new rows. Never blocks.
  void Wake() ABSL_LOCKS_EXCLUDED(mu_);
  // Payload of the rows that wait, as far as they have been read.
  int64_t stored_bytes() const { return stored_bytes_.load(); }
  // Cuts short what is under way (within about a second), and leaves what waits to the next daemon.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Item {
    int64_t id = 0;
    int64_t bytes = 0;
  };
  // The deliveries of one job, in order.
  struct Lane {
    std::deque<Item> items;
    int failures = 0;   // Of the first.
    bool over = false;  // The first needs no more tries; its row could not be removed yet.
    std::string last_error;
  };
  struct Queue {
    Receiver receiver;
    std::map<std::string, Lane> lanes;                     // By uid of the job.
    std::set<std::pair<absl::Duration, std::string>> due;  // Lanes that nobody is at work on.
    int64_t pending = 0;
    CondVar changed;
  };
  struct Work {
    std::string uid;
    int64_t id = 0;
    int failures = 0;
    bool over = false;
    std::string last_error;
  };
  // What became of a piece of work: over and its row removed, or when to go on.
  struct Result {
    bool removed = false;
    bool over = false;
    absl::Duration pause = absl::ZeroDuration();
    std::string error = "";
  };

  // Of hooks that are no longer configured.
  absl::Status DropRows();
  absl::Status ReadNewRows() ABSL_LOCKS_EXCLUDED(mu_);
  void Feed() ABSL_LOCKS_EXCLUDED(mu_);
  void Serve(Queue& queue) ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<Work> Next(Queue& queue) ABSL_LOCKS_EXCLUDED(mu_);
  Result Do(Queue& queue, const Work& work) ABSL_LOCKS_EXCLUDED(mu_);
  // Delivers, or finds that there is nothing more to try. Reports.
  Result Try(Queue& queue, const Work& work) ABSL_LOCKS_EXCLUDED(mu_);
  void PutBack(Queue& queue, const Work& work, const Result& result) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Duration Pause(int failures, const absl::Status& error) ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  Database& database_;
  Clock& clock_;
  int cancel_fd_ = -1;
  std::atomic<int64_t> stored_bytes_{0};

  Mutex mu_;
  CondVar new_rows_;
  bool dirty_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::mt19937 random_ ABSL_GUARDED_BY(mu_){std::random_device()()};
  // By hook; all from the start. What they hold is guarded by mu_, but for the receivers.
  std::map<std::string, std::unique_ptr<Queue>> queues_;
  int64_t last_id_ = 0;  // Of the rows that were read; of the feeding thread.
  std::vector<std::thread> threads_;
};

}  // namespace skytrain
