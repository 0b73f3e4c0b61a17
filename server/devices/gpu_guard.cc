#include "server/devices/gpu_guard.h"

#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace skytrain {
namespace {

// The driver keeps some memory for itself also while nobody computes.
constexpr int64_t kIdleBytes = int64_t{1} << 30;
constexpr int64_t kIdleFraction = 50;  // Or 1/50 of a large one.
constexpr size_t kNamedProcesses = 3;

bool IsIdle(const GpuState& state) {
  const int64_t allowed =
      std::min(state.memory_bytes / 2, std::max(kIdleBytes, state.memory_bytes / kIdleFraction));
  return state.problem.empty() && state.processes.empty() && state.used_bytes <= allowed;
}

// -1: not a GPU's name.
int NumberOf(absl::string_view gpu) {
  int number = -1;
  if (!absl::ConsumePrefix(&gpu, "gpu:") || !absl::SimpleAtoi(gpu, &number)) return -1;
  return number;
}

// Who is to blame: "by pid 4711 (python, user ben)", or how much memory is taken by nobody knows
// whom (a process in another container).
std::string Users(const GpuState& state) {
  if (state.processes.empty()) {
    return absl::StrFormat("by nobody that can be seen: %.1f GB of its memory are taken",
                           static_cast<double>(state.used_bytes) / 1e9);
  }
  std::vector<std::string> processes;
  for (const GpuState::Process& process : state.processes) {
    if (processes.size() == kNamedProcesses) {
      processes.push_back(absl::StrCat(state.processes.size() - kNamedProcesses, " more"));
      break;
    }
    processes.push_back(DescribeProcess(process.pid));
  }
  return absl::StrCat("by ", absl::StrJoin(processes, ", "));
}

std::string UserName(uid_t uid) {
  passwd entry;
  passwd* found = nullptr;
  std::array<char, 4096> buffer;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return absl::StrCat(uid);
  }
  return entry.pw_name;
}

}  // namespace

std::string DescribeProcess(int pid) {
  const std::string folder = absl::StrCat("/proc/", pid);
  struct stat status;
  std::string command;
  if (stat(folder.c_str(), &status) != 0 ||
      !std::getline(std::ifstream(folder + "/comm"), command)) {
    return absl::StrCat("pid ", pid);
  }
  return absl::StrCat("pid ", pid, " (", command, ", user ", UserName(status.st_uid), ")");
}

GpuGuard::GpuGuard(DeviceMonitor& monitor, Clock& clock, Options options)
    : monitor_(monitor), clock_(clock), options_(std::move(options)) {
  Look();
}

GpuGuard::~GpuGuard() { Stop(); }

void GpuGuard::Start(std::function<void()> on_change) {
  on_change_ = std::move(on_change);
  {
    MutexLock lock(mu_);
    stop_ = false;
  }
  thread_ = std::thread([this] { Loop(); });
}

void GpuGuard::Stop() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void GpuGuard::Loop() {
  while (true) {
    {
      MutexLock lock(mu_);
      if (!look_now_ && !stop_) {
        wake_.WaitFor(mu_, absl::ToChronoNanoseconds(options_.look_interval));
      }
      if (stop_) return;
      look_now_ = false;
    }
    if (Look()) on_change_();
  }
}

bool GpuGuard::Look() {
  const absl::Duration looked = clock_.Monotonic();
  auto states = monitor_.Look();
  MutexLock lock(mu_);
  bool changed = false;
  // When the driver does not answer, what was known stands; memory that was to be given back is
  // not seen to be free, so that GPU stays where it is.
  const size_t count = states.ok() ? std::max(states->size(), gpus_.size()) : gpus_.size();
  gpus_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    Gpu& gpu = gpus_[i];
    const std::string before = Describe(gpu).text;
    GpuState state = gpu.state;
    if (states.ok()) {
      state = i < states->size() ? std::move((*states)[i]) : GpuState();
      if (i >= states->size()) state.problem = "the driver does not list it any more";
    }
    Judge(static_cast<int>(i), std::move(state), states.ok() ? looked : absl::ZeroDuration(), gpu);
    changed |= Describe(gpu).text != before;
  }
  return changed;
}

void GpuGuard::Judge(int number, GpuState state, absl::Duration looked, Gpu& gpu) const {
  gpu.state = std::move(state);
  if (!gpu.settling) return;
  const auto log = [&](absl::string_view line) {
    if (options_.log) options_.log(absl::StrCat("gpu:", number, " ", line));
  };
  // What was seen before the job ended says nothing.
  if (looked >= gpu.released && IsIdle(gpu.state)) {
    if (gpu.quarantined) log("is free again");
    gpu.settling = gpu.quarantined = false;
  } else if (!gpu.quarantined && clock_.Monotonic() - gpu.released >= options_.settle_timeout) {
    gpu.quarantined = true;
    log(absl::StrCat("is quarantined: its last job has ended, but it is in use ",
                     Users(gpu.state)));
  }
}

GpuGuard::Trouble GpuGuard::Describe(const Gpu& gpu) const {
  if (gpu.quarantined) {
    return {absl::StrCat("quarantined after its last job: in use ", Users(gpu.state)), false};
  }
  if (gpu.settling) return {"gives back the memory of its last job", true};
  if (!gpu.state.problem.empty()) return {absl::StrCat("out of order: ", gpu.state.problem), false};
  if (!IsIdle(gpu.state)) return {absl::StrCat("in use ", Users(gpu.state)), false};
  return {};
}

void GpuGuard::Released(absl::string_view name) {
  const int number = NumberOf(name);
  MutexLock lock(mu_);
  if (number < 0 || number >= static_cast<int>(gpus_.size())) return;
  Gpu& gpu = gpus_[number];
  gpu.settling = true;
  gpu.quarantined = false;
  gpu.released = clock_.Monotonic();
  look_now_ = true;
  wake_.NotifyAll();
}

GpuGuard::Trouble GpuGuard::TroubleOf(absl::string_view name) {
  const int number = NumberOf(name);
  MutexLock lock(mu_);
  if (number < 0 || number >= static_cast<int>(gpus_.size())) return {};
  return Describe(gpus_[number]);
}

}  // namespace skytrain
