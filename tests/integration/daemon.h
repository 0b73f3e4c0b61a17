#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/grpc/channel.h"
#include "grpcpp/channel.h"
#include "skytrain/v1/job_service.grpc.pb.h"

namespace skytrain {

// A real skytraind with the real shepherd and the fake worker, on a socket and folders of its own,
// for tests and benches. Everything that it started is killed and removed at the end.
class Daemon {
 public:
  // `flags` are added to those that the folders need. `socket`: another path than the own one.
  explicit Daemon(std::vector<std::string> flags = {}, std::string socket = "");
  ~Daemon();

  // Another worker than the fake one of the build.
  void set_worker(std::string path) { worker_ = std::move(path); }
  // Starts and waits for the line that says that it serves. An error carries the daemon's log.
  absl::Status Start();
  // Starts and does not wait.
  absl::Status Launch();
  // SIGTERM, then the exit code (-signal when a signal ended it).
  int Stop();
  // The exit code of a daemon that ends by itself, or was told to.
  int WaitForExit();
  // SIGKILL.
  void Kill();
  // The pid of a running `binary` whose command line names a path below this daemon's folders; 0:
  // none.
  int PidOf(const std::string& binary) const;
  // Peak resident memory of the daemon.
  int64_t PeakRssBytes() const;

  // Kills the running `binary` of attempt `number` of a job. False: there is none.
  bool KillOf(const std::string& binary, const std::string& job_uid, int number) const;

  int pid() const { return pid_; }
  const std::string& root() const { return root_; }
  const std::string& SocketPath() const { return socket_; }
  std::string WorkDir() const { return root_ + "/state/work"; }
  std::string Log() const;
  // HOST:PORT of the TLS port among the `flags`; empty: there is none.
  const std::string& TlsAddress() const { return tls_address_; }
  // A new connection.
  std::shared_ptr<grpc::Channel> Connect(
      grpc::ChannelArguments arguments = ClientChannelArguments()) const;

 private:
  absl::Status Spawn(int stdout_fd);
  // Calls `visit` with the pids of `binary` whose command line holds `part`.
  static void ForEach(const std::string& binary, const std::string& part,
                      const std::function<void(int pid)>& visit);

  std::string root_;
  std::vector<std::string> flags_;
  std::string socket_;
  std::string worker_;
  std::string tls_address_;
  int pid_ = 0;
};

// The calls that tests make, with plain results.
class JobClient {
 public:
  explicit JobClient(std::shared_ptr<grpc::Channel> channel);

  // A job on Iris whose labels script the fake worker.
  absl::StatusOr<v1::Job> Create(const std::map<std::string, std::string>& labels,
                                 const std::string& job_id = "",
                                 const std::string& request_id = "");
  absl::StatusOr<v1::Job> Get(const std::string& name);
  absl::StatusOr<v1::Job> Cancel(const std::string& name);
  // A job that holds all slots of the node until it is cancelled, so that all others wait.
  absl::StatusOr<v1::Job> CreateHolder();
  // Waits for the end, 60 s at most.
  absl::StatusOr<v1::Job> Wait(const std::string& name);
  // Every response of a watch until it ends or `on_response` answers false.
  absl::Status Watch(const v1::WatchEventsRequest& request,
                     const std::function<bool(const v1::WatchEventsResponse&)>& on_response);
  // All events from after_seq on to the end of the job (or to the present end).
  absl::StatusOr<std::vector<v1::Event>> Events(const std::string& name, int64_t after_seq = 0,
                                                bool follow = true,
                                                std::vector<v1::EventKind> kinds = {});

  v1::JobService::Stub& stub() { return *stub_; }

 private:
  std::unique_ptr<v1::JobService::Stub> stub_;
};

// The request that Create sends.
v1::CreateJobRequest IrisRequest(const std::map<std::string, std::string>& labels);

}  // namespace skytrain
