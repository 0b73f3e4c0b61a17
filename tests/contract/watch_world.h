#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/auth/authenticator.h"
#include "server/auth/peers.h"
#include "server/auth/token_store.h"
#include "server/auth/unix_listener.h"
#include "server/events/event_log.h"
#include "server/jobs/job_journal.h"
#include "server/rpc/calls.h"
#include "server/rpc/job_service.h"
#include "server/rpc/server.h"
#include "skytrain/v1/job_service.grpc.pb.h"
#include "tests/unit/server/jobs/job_world.h"

namespace skytrain {

// A daemon in this process, served over a Unix socket: real database, event log, jobs and gRPC.
// Jobs are written by the test itself, through their journal, so that it decides when what happens.
class WatchWorld {
 public:
  explicit WatchWorld(JobServiceImpl::Limits limits = {});
  ~WatchWorld();

  // As a killed daemon that is started again: nothing is in memory any more.
  void Restart();

  // A queued job of the caller, and its journal.
  std::unique_ptr<JobJournal> NewJob(const std::string& id);
  // Calls `change` with the job's draft and commits; fails the test on an error.
  static void Commit(JobJournal& journal, const std::function<void(JobJournal::Draft&)>& change);

  Database& database() { return world_.database(); }
  EventHub& hub() { return world_.hub(); }
  EventLog& log() { return *log_; }
  const std::string& path() const { return world_.path(); }
  // On a connection of its own.
  std::unique_ptr<v1::JobService::Stub> Connect() const;

  // What the database holds of a job.
  std::vector<v1::Event> Stored(const std::string& uid) { return world_.Events(uid); }

 private:
  void Serve();
  void StopServing();

  const JobServiceImpl::Limits limits_;
  JobWorld world_;
  std::unique_ptr<EventLog> log_;
  Peers peers_;
  TokenStore tokens_;
  Authenticator authenticator_;
  std::unique_ptr<Calls> calls_;
  std::unique_ptr<JobServiceImpl> service_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<UnixListener> listener_;
};

v1::WatchEventsRequest WatchRequest(const std::string& id, int64_t after_seq = 0,
                                    bool follow = true);

// What a whole watch gave.
struct Watched {
  absl::Status status;
  std::vector<v1::Event> events;
  std::vector<v1::WatchEventsResponse> responses;  // Without their events.
};
// Reads a stream until it ends or `enough` says so (then it is cancelled).
Watched WatchAll(
    v1::JobService::Stub& stub, const v1::WatchEventsRequest& request,
    const std::function<bool(const v1::WatchEventsResponse&)>& enough = [](const auto&) {
      return false;
    });

// Parts of histories.
v1::Event MetricEvent(int64_t step, std::vector<double> values);
v1::Event LogEvent(const std::string& bytes);
// An attempt of `events` steps that begins (kAssigned, kStarted); ends by the caller.
void BeginAttempt(JobJournal& journal);
void EndJob(JobJournal& journal);

}  // namespace skytrain
