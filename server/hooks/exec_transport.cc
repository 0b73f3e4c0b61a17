#include "server/hooks/exec_transport.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/process/pidfd.h"
#include "common/process/process.h"
#include "common/status_macros.h"
#include "server/hooks/payload.h"

namespace skytrain {
namespace {

constexpr absl::Duration kTermGrace = absl::Seconds(1);
constexpr size_t kOutputBytes = 1 << 10;  // Its end, for the log.

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// The program needs no reader on the other side: it may read all, some or nothing of it.
absl::StatusOr<int> FileWith(const std::string& content) {
  const int fd = memfd_create("skytrain-hook", MFD_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "memfd_create");
  for (size_t written = 0; written < content.size();) {
    const ssize_t part = write(fd, content.data() + written, content.size() - written);
    if (part < 0) {
      const absl::Status failed = absl::ErrnoToStatus(errno, "memfd");
      close(fd);
      return failed;
    }
    written += part;
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

std::vector<std::string> EnvironmentOf(const HookRow& row) {
  std::vector<std::string> environment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "LANG=C.UTF-8",
      "SKYTRAIN_HOOK=" + row.hook,
      "SKYTRAIN_DELIVERY=" + DeliveryId(row.job_uid, row.seq, row.hook),
      "SKYTRAIN_JOB=" + row.job_id,
      "SKYTRAIN_JOB_UID=" + row.job_uid,
  };
  const auto payload = nlohmann::json::parse(row.payload, nullptr, /*allow_exceptions=*/false);
  const auto text = [](const nlohmann::json& object, const char* key) -> std::string {
    if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return "";
    return object[key].get<std::string>();
  };
  const bool has_job = payload.is_object() && payload.contains("job");
  environment.push_back("SKYTRAIN_OWNER=" + (has_job ? text(payload["job"], "owner") : ""));
  environment.push_back("SKYTRAIN_FROM=" + text(payload, "from"));
  environment.push_back("SKYTRAIN_TO=" + text(payload, "to"));
  return environment;
}

// A running program; its group is gone when this is.
class Running {
 public:
  Running(int pid, int output_fd) : pid_(pid), pidfd_(PidfdOpen(pid)), output_(output_fd) {}
  ~Running() {
    if (!reaped_) End();
  }

  // As HookTransport::Deliver.
  absl::Status Wait(absl::Duration timeout, int cancel_fd) {
    const absl::Duration deadline = Clock::Real().Monotonic() + timeout;
    while (true) {
      const absl::Duration left = deadline - Clock::Real().Monotonic();
      if (left <= absl::ZeroDuration()) {
        End();
        return absl::UnavailableError(
            absl::StrCat("did not end within ", absl::FormatDuration(timeout), Output()));
      }
      pollfd polled[] = {
          {pidfd_.get(), POLLIN, 0}, {cancel_fd, POLLIN, 0}, {output_.get(), POLLIN, 0}};
      poll(polled, std::size(polled), static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
      if (polled[2].revents != 0) ReadOutput();
      if (polled[0].revents != 0) return Reap();
      if (polled[1].revents != 0) {
        End();
        return absl::CancelledError("the daemon stops");
      }
    }
  }

 private:
  absl::Status Reap() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    ReadOutput();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
    return absl::UnavailableError(
        WIFEXITED(status) ? absl::StrCat("ended with exit code ", WEXITSTATUS(status), Output())
                          : absl::StrCat("was ended by signal ", WTERMSIG(status), Output()));
  }

  void End() {
    kill(-pid_, SIGTERM);
    pollfd polled{pidfd_.get(), POLLIN, 0};
    poll(&polled, 1, static_cast<int>(absl::ToInt64Milliseconds(kTermGrace)));
    // Before it is reaped: until then nobody else can have this number.
    kill(-pid_, SIGKILL);
    Reap().IgnoreError();
  }

  // What is there, but no more than a pipe holds: who has it may write for ever. Closes at the end
  // of it, else poll would return at once each time.
  void ReadOutput() {
    char buffer[4096];
    for (int reads = 0; reads < 16 && output_.get() >= 0; ++reads) {
      const ssize_t got = read(output_.get(), buffer, sizeof(buffer));
      if (got == 0) output_.Close();
      if (got <= 0) return;
      tail_.append(buffer, got);
      if (tail_.size() > kOutputBytes) tail_.erase(0, tail_.size() - kOutputBytes);
    }
  }

  std::string Output() const {
    const absl::string_view text = absl::StripAsciiWhitespace(tail_);
    return text.empty() ? "" : absl::StrCat("; its output ends: ", text);
  }

  const int pid_;
  Fd pidfd_;
  Fd output_;
  std::string tail_;
  bool reaped_ = false;
};

}  // namespace

absl::Status ExecTransport::Deliver(const HookRow& row, int cancel_fd) {
  const auto input = FileWith(row.payload);
  if (!input.ok()) return absl::UnavailableError(input.status().message());
  const Fd stdin_fd(*input);
  int output[2];
  if (pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0) {
    return absl::UnavailableError(absl::ErrnoToStatus(errno, "pipe").message());
  }
  // Ours does not block; the program's end shall, as programs expect.
  fcntl(output[1], F_SETFL, fcntl(output[1], F_GETFL) & ~O_NONBLOCK);
  Fd theirs(output[1]);
  SpawnOptions spawn;
  spawn.argv = argv_;
  spawn.environment = EnvironmentOf(row);
  spawn.working_dir = "/";
  spawn.stdin_fd = stdin_fd.get();
  spawn.stdout_fd = spawn.stderr_fd = theirs.get();
  spawn.new_process_group = true;
  const auto pid = Spawn(spawn);
  if (!pid.ok()) {
    close(output[0]);
    return absl::UnavailableError(pid.status().message());
  }
  theirs.Close();
  return Running(*pid, output[0]).Wait(timeout_, cancel_fd);
}

}  // namespace skytrain
