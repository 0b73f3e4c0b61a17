#include "server/devices/nvml_monitor.h"

#include <dlfcn.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skytrain {
namespace {

// From nvml.h.
using Return = int;
constexpr Return kSuccess = 0;
constexpr Return kInsufficientSize = 7;
constexpr unsigned long long kNotAvailable = ~0ULL;
constexpr unsigned kNameBytes = 96;
struct Memory {
  unsigned long long total, free, used;
};
struct ProcessInfo {
  unsigned pid;
  unsigned long long used_gpu_memory;
  unsigned gpu_instance, compute_instance;
};

// More processes than this on one GPU are not listed: it is taken in any case.
constexpr unsigned kMaxProcesses = 1024;

}  // namespace

struct NvmlMonitor::Functions {
  void* library = nullptr;
  bool initialized = false;
  Return (*init)() = nullptr;
  Return (*shutdown)() = nullptr;
  const char* (*error_string)(Return) = nullptr;
  Return (*count)(unsigned*) = nullptr;
  Return (*handle)(unsigned, void**) = nullptr;
  Return (*name)(void*, char*, unsigned) = nullptr;
  Return (*memory)(void*, Memory*) = nullptr;
  Return (*processes)(void*, unsigned*, ProcessInfo*) = nullptr;

  ~Functions() {
    if (initialized) shutdown();
    if (library != nullptr) dlclose(library);
  }

  template <typename Function>
  bool Find(const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, symbol));
    return function != nullptr;
  }

  bool FindAll() {
    return Find("nvmlInit_v2", init) && Find("nvmlShutdown", shutdown) &&
           Find("nvmlErrorString", error_string) && Find("nvmlDeviceGetCount_v2", count) &&
           Find("nvmlDeviceGetHandleByIndex_v2", handle) && Find("nvmlDeviceGetName", name) &&
           Find("nvmlDeviceGetMemoryInfo", memory) &&
           // Of the same form.
           (Find("nvmlDeviceGetComputeRunningProcesses_v3", processes) ||
            Find("nvmlDeviceGetComputeRunningProcesses_v2", processes));
  }
};

NvmlMonitor::NvmlMonitor(std::unique_ptr<Functions> functions) : functions_(std::move(functions)) {}

NvmlMonitor::~NvmlMonitor() = default;

std::unique_ptr<NvmlMonitor> NvmlMonitor::Open(const std::string& library) {
  auto functions = std::make_unique<Functions>();
  functions->library = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (functions->library == nullptr || !functions->FindAll()) return nullptr;
  functions->initialized = functions->init() == kSuccess;
  if (!functions->initialized) return nullptr;
  return std::unique_ptr<NvmlMonitor>(new NvmlMonitor(std::move(functions)));
}

absl::StatusOr<std::vector<GpuState>> NvmlMonitor::Look() {
  unsigned count = 0;
  if (const Return failed = functions_->count(&count); failed != kSuccess) {
    return absl::UnavailableError(absl::StrCat("NVML: ", functions_->error_string(failed)));
  }
  std::vector<GpuState> gpus;
  for (unsigned index = 0; index < count; ++index) gpus.push_back(LookAt(index));
  return gpus;
}

GpuState NvmlMonitor::LookAt(unsigned index) const {
  GpuState gpu;
  const auto failed = [&](Return result) {
    if (result == kSuccess) return false;
    gpu.problem = absl::StrCat("NVML: ", functions_->error_string(result));
    return true;
  };
  void* device = nullptr;
  if (failed(functions_->handle(index, &device))) return gpu;
  char name[kNameBytes] = {};
  if (!failed(functions_->name(device, name, sizeof(name)))) gpu.model = name;
  Memory memory = {};
  if (failed(functions_->memory(device, &memory))) return gpu;
  gpu.memory_bytes = static_cast<int64_t>(memory.total);
  gpu.used_bytes = static_cast<int64_t>(memory.used);
  std::vector<ProcessInfo> processes(16);
  unsigned found = static_cast<unsigned>(processes.size());
  Return listed = functions_->processes(device, &found, processes.data());
  if (listed == kInsufficientSize) {
    // There may be more by the time of the second call.
    processes.resize(std::min(2 * found, kMaxProcesses));
    found = static_cast<unsigned>(processes.size());
    listed = functions_->processes(device, &found, processes.data());
  }
  if (failed(listed)) return gpu;
  for (unsigned i = 0; i < std::min<size_t>(found, processes.size()); ++i) {
    const unsigned long long used = processes[i].used_gpu_memory;
    gpu.processes.push_back({static_cast<int>(processes[i].pid),
                             used == kNotAvailable ? 0 : static_cast<int64_t>(used)});
  }
  return gpu;
}

}  // namespace skytrain
