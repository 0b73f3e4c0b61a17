#include "tests/integration/daemon.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/grpc/status.h"
#include "common/process/process.h"
#include "common/status_macros.h"
#include "grpcpp/create_channel.h"

namespace skytrain {
namespace {

constexpr char kBin[] = SKYTRAIN_BIN_DIR;

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> Environment() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

// Calls `visit` with pid and command line (arguments end with NUL) of every process.
void ForEachProcess(const std::function<void(int pid, const std::string& command)>& visit) {
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return;
  while (const dirent* entry = readdir(proc)) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry->d_name, &pid)) continue;
    visit(pid, ReadText(absl::StrCat("/proc/", pid, "/cmdline")));
  }
  closedir(proc);
}

}  // namespace

Daemon::Daemon(std::vector<std::string> flags, std::string socket)
    : flags_(std::move(flags)), socket_(std::move(socket)) {
  std::string pattern = "/tmp/skytrain-test-XXXXXX";  // Short: a socket's path has a limit.
  root_ = mkdtemp(pattern.data());
  if (socket_.empty()) socket_ = root_ + "/d.sock";
}

Daemon::~Daemon() {
  Kill();
  // Only processes whose command line names this test's own folder.
  ForEachProcess([&](int pid, const std::string& command) {
    if (absl::StrContains(command, root_ + "/")) kill(pid, SIGKILL);
  });
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

absl::Status Daemon::Start() {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const absl::Status spawned = Spawn(out[1]);
  close(out[1]);
  std::string line;
  char byte;
  pollfd polled{out[0], POLLIN, 0};
  while (poll(&polled, 1, 20'000) > 0 && read(out[0], &byte, 1) == 1 && byte != '\n') line += byte;
  close(out[0]);
  RETURN_IF_ERROR(spawned);
  if (const size_t tls = line.find(" tls:"); tls != std::string::npos) {
    tls_address_ = line.substr(tls + 5);
  }
  if (absl::StrContains(line, "serving on unix:" + SocketPath())) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("skytraind said '", line, "'\n", Log()));
}

absl::Status Daemon::Launch() { return Spawn(-1); }

absl::Status Daemon::Spawn(int stdout_fd) {
  const int log = open((root_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  SpawnOptions spawn;
  spawn.argv = {absl::StrCat(kBin, "/skytraind"),
                "--listen",
                "unix:" + SocketPath(),
                "--state-dir",
                root_ + "/state",
                "--worker",
                worker_.empty() ? absl::StrCat(kBin, "/skytrain-fake-worker") : worker_};
  spawn.argv.insert(spawn.argv.end(), flags_.begin(), flags_.end());
  spawn.environment = Environment();
  spawn.stdout_fd = stdout_fd;
  spawn.stderr_fd = log;
  const auto pid = skytrain::Spawn(spawn);
  close(log);
  RETURN_IF_ERROR(pid.status());
  pid_ = *pid;
  return absl::OkStatus();
}

int Daemon::Stop() {
  if (pid_ == 0) return 0;
  kill(pid_, SIGTERM);
  return WaitForExit();
}

int Daemon::WaitForExit() {
  int status = 0;
  waitpid(std::exchange(pid_, 0), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void Daemon::Kill() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(std::exchange(pid_, 0), nullptr, 0);
}

void Daemon::ForEach(const std::string& binary, const std::string& part,
                     const std::function<void(int pid)>& visit) {
  ForEachProcess([&](int pid, const std::string& command) {
    const std::string program = command.substr(0, command.find('\0'));
    if (absl::EndsWith(program, "/" + binary) && absl::StrContains(command, part)) visit(pid);
  });
}

int Daemon::PidOf(const std::string& binary) const {
  int found = 0;
  ForEach(binary, root_ + "/", [&](int pid) { found = pid; });
  return found;
}

bool Daemon::KillOf(const std::string& binary, const std::string& job_uid, int number) const {
  bool killed = false;
  ForEach(binary, absl::StrCat(WorkDir(), "/attempts/", job_uid, "-", number),
          [&](int pid) { killed = kill(pid, SIGKILL) == 0; });
  return killed;
}

int64_t Daemon::PeakRssBytes() const {
  std::istringstream status(ReadText(absl::StrCat("/proc/", pid_, "/status")));
  for (std::string line; std::getline(status, line);) {
    absl::string_view rest = line;
    int64_t kib = 0;
    if (absl::ConsumePrefix(&rest, "VmHWM:") && absl::ConsumeSuffix(&rest, " kB") &&
        absl::SimpleAtoi(rest, &kib)) {
      return kib * 1024;
    }
  }
  return 0;
}

std::string Daemon::Log() const { return ReadText(root_ + "/log"); }

std::shared_ptr<grpc::Channel> Daemon::Connect(grpc::ChannelArguments arguments) const {
  // Else all channels to one address share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + SocketPath(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

JobClient::JobClient(std::shared_ptr<grpc::Channel> channel)
    : stub_(v1::JobService::NewStub(std::move(channel))) {}

v1::CreateJobRequest IrisRequest(const std::map<std::string, std::string>& labels) {
  v1::CreateJobRequest request;
  v1::Experiment& experiment = *request.mutable_job()->mutable_experiment();
  experiment.set_name("fake");
  experiment.mutable_data()->set_dataset(SKYTRAIN_SOURCE_DIR "/tests/data/iris.csv");
  experiment.mutable_task()->mutable_classification()->set_target("Species");
  experiment.mutable_model()->mutable_mlp()->add_hidden(8);
  experiment.mutable_train()->set_epochs(1);
  experiment.mutable_train()->set_batch_size(16);
  experiment.mutable_resources()->set_cpus(1);
  (*experiment.mutable_labels())["fake.model"] = "1";
  for (const auto& [key, value] : labels) (*experiment.mutable_labels())["fake." + key] = value;
  return request;
}

absl::StatusOr<v1::Job> JobClient::Create(const std::map<std::string, std::string>& labels,
                                          const std::string& job_id,
                                          const std::string& request_id) {
  v1::CreateJobRequest request = IrisRequest(labels);
  request.set_job_id(job_id);
  request.set_request_id(request_id);
  grpc::ClientContext context;
  v1::CreateJobResponse response;
  RETURN_IF_ERROR(FromGrpcStatus(stub_->CreateJob(&context, request, &response)));
  return response.job();
}

absl::StatusOr<v1::Job> JobClient::CreateHolder() {
  v1::CreateJobRequest request = IrisRequest({{"hang", "1"}});
  request.mutable_job()->mutable_experiment()->mutable_resources()->clear_cpus();
  grpc::ClientContext context;
  v1::CreateJobResponse response;
  RETURN_IF_ERROR(FromGrpcStatus(stub_->CreateJob(&context, request, &response)));
  return response.job();
}

absl::StatusOr<v1::Job> JobClient::Get(const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  v1::Job job;
  RETURN_IF_ERROR(FromGrpcStatus(stub_->GetJob(&context, request, &job)));
  return job;
}

absl::StatusOr<v1::Job> JobClient::Cancel(const std::string& name) {
  v1::CancelJobRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  v1::Job job;
  RETURN_IF_ERROR(FromGrpcStatus(stub_->CancelJob(&context, request, &job)));
  return job;
}

absl::StatusOr<v1::Job> JobClient::Wait(const std::string& name) {
  v1::WaitJobRequest request;
  request.set_name(name);
  request.mutable_timeout()->set_seconds(60);
  grpc::ClientContext context;
  v1::Job job;
  RETURN_IF_ERROR(FromGrpcStatus(stub_->WaitJob(&context, request, &job)));
  return job;
}

absl::Status JobClient::Watch(
    const v1::WatchEventsRequest& request,
    const std::function<bool(const v1::WatchEventsResponse&)>& on_response) {
  grpc::ClientContext context;
  const auto reader = stub_->WatchEvents(&context, request);
  v1::WatchEventsResponse response;
  while (reader->Read(&response)) {
    if (!on_response(response)) context.TryCancel();
  }
  return FromGrpcStatus(reader->Finish());
}

absl::StatusOr<std::vector<v1::Event>> JobClient::Events(const std::string& name, int64_t after_seq,
                                                         bool follow,
                                                         std::vector<v1::EventKind> kinds) {
  v1::WatchEventsRequest request;
  request.set_name(name);
  request.set_after_seq(after_seq);
  request.set_follow(follow);
  for (const v1::EventKind kind : kinds) request.add_kinds(kind);
  std::vector<v1::Event> events;
  RETURN_IF_ERROR(Watch(request, [&](const v1::WatchEventsResponse& response) {
    events.insert(events.end(), response.events().begin(), response.events().end());
    return true;
  }));
  return events;
}

}  // namespace skytrain
