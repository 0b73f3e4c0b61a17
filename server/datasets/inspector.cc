#include "server/datasets/inspector.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/file/file_identity.h"
#include "common/file/file_system.h"
#include "common/ids.h"
#include "common/last_line.h"
#include "common/process/process.h"
#include "common/process/run_as.h"
#include "common/status_macros.h"
#include "google/rpc/error_details.pb.h"
#include "server/datasets/fingerprint.h"
#include "skytrain/v1/dataset_service.pb.h"

namespace skytrain {
namespace {

constexpr uint64_t kMaxAnswerBytes = 64 << 20;

absl::Status ProbeFailed(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInternal, "PROBE_FAILED",
                         absl::StrCat("the inspection of the data set failed: ", what));
}

absl::Status Draining() {
  return WithRetryDelay(ErrorWithReason(absl::StatusCode::kUnavailable, "DRAINING",
                                        "the daemon is stopping. Try again when it is back"),
                        absl::Seconds(2));
}

absl::Status StatusFromProto(const google::rpc::Status& proto) {
  if (proto.code() == 0) return ProbeFailed("it gave no reason");
  absl::Status status(static_cast<absl::StatusCode>(proto.code()), proto.message());
  for (const auto& detail : proto.details()) {
    status.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
  return status;
}

std::vector<std::string> Environment() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

// With the rights of `account`, so that it tells nothing of what the user may not see.
absl::StatusOr<std::string> FingerprintFor(const Account* account, const v1::Data& data) {
  if (account == nullptr) return FingerprintOf(data);
  const ScopedFileIdentity identity(account->ids);
  RETURN_IF_ERROR(identity.status());
  return FingerprintOf(data);
}

// The name is new, and in a user's folder it is made with the user's rights.
int OpenLog(const std::string& path, const Account* account) {
  std::optional<ScopedFileIdentity> identity;
  if (account != nullptr && !identity.emplace(account->ids).status().ok()) return -1;
  return open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

// What people know it by.
const std::string& MainPath(const v1::Data& data) {
  return data.has_files() ? data.files().table() : data.dataset();
}

// People know a file by the name that they gave in `data`, not by where it lies, as in `files`.
absl::Status AsNamed(const absl::Status& status, const v1::Data& data, const v1::Data& files) {
  const std::string &name = MainPath(data), &path = MainPath(files);
  if (name == path) return status;
  absl::Status renamed(status.code(), absl::StrReplaceAll(status.message(), {{path, name}}));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { renamed.SetPayload(url, payload); });
  return renamed;
}

absl::StatusOr<v1::DatasetManifest> ManifestIn(const absl::StatusOr<std::string>& answer) {
  RETURN_IF_ERROR(answer.status());
  v1::DatasetManifest manifest;
  if (!manifest.ParseFromString(*answer)) return ProbeFailed("its answer cannot be read");
  return manifest;
}

enum class Ended { kExited, kTimeout, kStopped };

// Waits for the child; kills it at the timeout or when `stop_fd` becomes readable. The child is
// always reaped.
Ended WaitForChild(int pid, absl::Duration timeout, int stop_fd, int* wait_status) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  Ended ended = Ended::kExited;
  if (pidfd >= 0) {
    pollfd polled[2] = {{pidfd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
    const absl::Time deadline = absl::Now() + timeout;
    int ready = 0;
    do {
      const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
      ready = poll(polled, 2, static_cast<int>(std::max<int64_t>(left, 0)));
    } while (ready < 0 && errno == EINTR);
    if ((polled[0].revents & POLLIN) == 0) {
      ended = ready == 0 ? Ended::kTimeout : Ended::kStopped;
      kill(pid, SIGKILL);  // Not reaped yet, so the pid is still its own.
    }
    close(pidfd);
  }
  while (waitpid(pid, wait_status, 0) < 0 && errno == EINTR) {
  }
  return ended;
}

}  // namespace

Inspector::Inspector(Options options)
    : options_(std::move(options)), stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Inspector::~Inspector() { close(stop_fd_); }

void Inspector::Shutdown() {
  const uint64_t one = 1;
  // The counter cannot overflow, so the write cannot fail.
  if (write(stop_fd_, &one, sizeof(one)) < 0) errno = 0;
}

absl::StatusOr<Inspector::Surroundings> Inspector::Locate(const std::string& owner,
                                                          v1::Data& data) {
  Surroundings surroundings;
  surroundings.roots = options_.data_roots;
  if (options_.account_of) {
    ASSIGN_OR_RETURN(surroundings.account, options_.account_of(owner));
  }
  if (options_.locate) RETURN_IF_ERROR(options_.locate(owner, data, surroundings.roots));
  return surroundings;
}

absl::StatusOr<v1::DatasetManifest> Inspector::Inspect(const v1::Data& data, const v1::Task& task,
                                                       const std::string& owner, bool unlabelled) {
  v1::Data files = data;
  ASSIGN_OR_RETURN(const Surroundings surroundings, Locate(owner, files));
  v1::InspectDatasetRequest request;
  *request.mutable_data() = files;
  // The same whoever asks.
  if (!unlabelled) *request.mutable_task() = task;
  request.set_unlabelled(unlabelled);
  Result result = InspectFiles(std::move(request), surroundings);
  if (!result.ok()) return AsNamed(result.status(), data, files);
  if (result->path() == MainPath(files)) result->set_path(MainPath(data));
  return result;
}

absl::StatusOr<v1::PreviewDatasetResponse> Inspector::Preview(
    const v1::PreviewDatasetRequest& request, const std::string& owner) {
  v1::PreviewDatasetRequest of_files = request;
  ASSIGN_OR_RETURN(const Surroundings surroundings, Locate(owner, *of_files.mutable_data()));
  const auto answer = Probe(of_files, {"--preview"}, surroundings);
  if (!answer.ok()) return AsNamed(answer.status(), request.data(), of_files.data());
  v1::PreviewDatasetResponse response;
  if (!response.ParseFromString(*answer)) return ProbeFailed("its answer cannot be read");
  return response;
}

Inspector::Result Inspector::InspectFiles(v1::InspectDatasetRequest request,
                                          const Surroundings& surroundings) {
  const v1::Data data = request.data();
  const Account* const account =
      surroundings.account.has_value() ? &*surroundings.account : nullptr;
  v1::Data source;  // What the manifest depends on.
  if (data.has_dataset()) source.set_dataset(data.dataset());
  if (data.has_files()) *source.mutable_files() = data.files();
  source.set_unmatched(data.unmatched());
  source.set_corrupt(data.corrupt());
  const v1::Splits& splits = data.splits();
  if (!splits.group().empty()) source.mutable_splits()->set_group(splits.group());
  if (splits.train().has_table()) *source.mutable_splits()->mutable_train() = splits.train();
  if (splits.validation().has_table()) {
    *source.mutable_splits()->mutable_validation() = splits.validation();
  }
  if (splits.test().has_table()) *source.mutable_splits()->mutable_test() = splits.test();
  if (data.image().has_stretch()) {
    *source.mutable_image()->mutable_stretch() = data.image().stretch();  // Which bands are needed.
  }
  // What one user sees of the files another one may not, so each has manifests of his own.
  const std::string user = account == nullptr ? "" : FormatRunAs(account->ids);
  ASSIGN_OR_RETURN(const std::string fingerprint, FingerprintFor(account, source));
  *request.mutable_data() = source;
  const std::string key =
      absl::StrCat(fingerprint, request.SerializeAsString(), std::string(1, '\0'), user);

  std::shared_ptr<Flight> flight;
  {
    MutexLock lock(mu_);
    if (const auto found = remembered_.find(key); found != remembered_.end()) {
      found->second.last_use = ++uses_;
      return found->second.manifest;
    }
    if (const auto found = flights_.find(key); found != flights_.end()) {
      flight = found->second;
      while (!flight->done) landed_.Wait(mu_);
      return flight->result;
    }
    flight = flights_[key] = std::make_shared<Flight>();
  }
  Result result = ManifestIn(Probe(request, {}, surroundings));
  // A set that changed while it was looked at is not remembered under its old fingerprint.
  const bool unchanged = FingerprintFor(account, source).value_or("") == fingerprint;
  MutexLock lock(mu_);
  flight->result = result;
  flight->done = true;
  flights_.erase(key);
  if (result.ok() && unchanged) Remember(key, *result);
  landed_.NotifyAll();
  return result;
}

void Inspector::Remember(const std::string& key, const v1::DatasetManifest& manifest) {
  if (remembered_.size() >= options_.max_remembered) {
    const auto oldest = std::min_element(
        remembered_.begin(), remembered_.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
    remembered_.erase(oldest);
  }
  remembered_[key] = {manifest, ++uses_};
}

absl::StatusOr<std::string> Inspector::Probe(const google::protobuf::Message& request,
                                             const std::vector<std::string>& flags,
                                             const Surroundings& surroundings) {
  FileSystem& fs = *options_.fs;
  std::string folder = options_.scratch_dir;
  if (surroundings.account.has_value()) {
    ASSIGN_OR_RETURN(folder, FolderOf(*surroundings.account, options_.scratch_dir));
  } else if (const absl::Status made = fs.CreateDir(folder);
             !made.ok() && !absl::IsAlreadyExists(made)) {
    return made;
  }
  const std::string stem = absl::StrCat(folder, "/", NewUid());
  RETURN_IF_ERROR(WriteFileAtomically(fs, stem + ".request", request.SerializeAsString()));
  absl::StatusOr<std::string> answer = RunProbe(stem, flags, surroundings);
  for (const char* suffix : {".request", ".out", ".log"}) fs.Remove(stem + suffix).IgnoreError();
  return answer;
}

absl::StatusOr<std::string> Inspector::RunProbe(const std::string& stem,
                                                const std::vector<std::string>& flags,
                                                const Surroundings& surroundings) {
  FileSystem& fs = *options_.fs;
  const Account* const account =
      surroundings.account.has_value() ? &*surroundings.account : nullptr;
  const std::string out_path = stem + ".out", log_path = stem + ".log";
  SpawnOptions spawn;
  spawn.argv = {options_.probe_binary, "--request", stem + ".request", "--out", out_path};
  spawn.argv.insert(spawn.argv.end(), flags.begin(), flags.end());
  for (const std::string& root : surroundings.roots) {
    spawn.argv.push_back("--root");
    spawn.argv.push_back(root);
  }
  spawn.environment = Environment();
  if (account != nullptr) {
    spawn.argv.push_back("--run-as");
    spawn.argv.push_back(FormatRunAs(account->ids));
    spawn.environment = EnvironmentFor(*account, spawn.environment);
    spawn.working_dir = "/";
  }
  spawn.new_process_group = true;  // Ctrl-C in the daemon's terminal is the daemon's business.
  const int log_fd = OpenLog(log_path, account);
  spawn.stderr_fd = log_fd;
  const absl::StatusOr<int> pid = Spawn(spawn);
  if (log_fd >= 0) close(log_fd);
  if (!pid.ok()) return ProbeFailed(pid.status().message());

  int wait_status = 0;
  switch (WaitForChild(*pid, options_.timeout, stop_fd_, &wait_status)) {
    case Ended::kTimeout:
      return ErrorWithReason(absl::StatusCode::kDeadlineExceeded, "PROBE_TIMEOUT",
                             absl::StrCat("the inspection of the data set took longer than ",
                                          absl::FormatDuration(options_.timeout)));
    case Ended::kStopped:
      return Draining();
    case Ended::kExited:
      break;
  }
  const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
  if (code != 0 && code != 1) {
    const std::string how = code >= 0 ? absl::StrCat("exit code ", code)
                                      : absl::StrCat("killed by signal ", WTERMSIG(wait_status));
    const std::string said = LastLine(fs.ReadFile(log_path, 1 << 20).value_or(""));
    return ProbeFailed(said.empty() ? how : absl::StrCat(how, "; it said: ", said));
  }
  ASSIGN_OR_RETURN(const std::string answer, fs.ReadFile(out_path, kMaxAnswerBytes));
  if (code == 1) {
    google::rpc::Status status;
    if (!status.ParseFromString(answer)) return ProbeFailed("its answer cannot be read");
    return StatusFromProto(status);
  }
  return answer;
}

}  // namespace skytrain
