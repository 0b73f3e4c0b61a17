// Stands for NVIDIA's libnvidia-ml.so.1 on machines without a GPU: what the functions answer is in
// the file that the environment variable SKYTRAIN_FAKE_NVML names, read anew with each count:
//   gpu MODEL TOTAL_BYTES USED_BYTES     (MODEL without spaces)
//   process PID BYTES                    of the GPU before it
//   lost                                 the GPU before it does not answer
//   silent                               nothing does
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kSuccess = 0;
constexpr int kInsufficientSize = 7;
constexpr int kGpuIsLost = 15;
constexpr int kUnknown = 999;

struct Process {
  unsigned pid;
  unsigned long long bytes;
  unsigned gpu_instance, compute_instance;
};
struct Gpu {
  std::string model;
  unsigned long long total = 0, used = 0;
  bool lost = false;
  std::vector<Process> processes;
};
struct Memory {
  unsigned long long total, free, used;
};

bool silent = false;
std::vector<Gpu>& Gpus() {
  static std::vector<Gpu> gpus;
  return gpus;
}

void ReadScript() {
  Gpus().clear();
  silent = false;
  const char* const path = std::getenv("SKYTRAIN_FAKE_NVML");
  std::ifstream script(path == nullptr ? "" : path);
  for (std::string line; std::getline(script, line);) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what == "silent") silent = true;
    if (what == "gpu") {
      Gpu& gpu = Gpus().emplace_back();
      words >> gpu.model >> gpu.total >> gpu.used;
    }
    if (Gpus().empty()) continue;
    if (what == "lost") Gpus().back().lost = true;
    if (what == "process") {
      Process& process = Gpus().back().processes.emplace_back(Process{});
      words >> process.pid >> process.bytes;
    }
  }
}

}  // namespace

extern "C" {

int nvmlInit_v2() { return kSuccess; }
int nvmlShutdown() { return kSuccess; }
const char* nvmlErrorString(int code) {
  return code == kGpuIsLost ? "GPU is lost" : "Unknown Error";
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  ReadScript();
  *count = static_cast<unsigned>(Gpus().size());
  return silent ? kUnknown : kSuccess;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index >= Gpus().size() || Gpus()[index].lost) return kGpuIsLost;
  *device = &Gpus()[index];
  return kSuccess;
}

int nvmlDeviceGetName(void* device, char* name, unsigned length) {
  std::snprintf(name, length, "%s", static_cast<Gpu*>(device)->model.c_str());
  return kSuccess;
}

int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  const Gpu& gpu = *static_cast<Gpu*>(device);
  *memory = {gpu.total, gpu.total - gpu.used, gpu.used};
  return kSuccess;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void* device, unsigned* count, Process* processes) {
  const std::vector<Process>& all = static_cast<Gpu*>(device)->processes;
  const unsigned room = *count;
  *count = static_cast<unsigned>(all.size());
  if (room < all.size()) return kInsufficientSize;
  if (!all.empty()) std::memcpy(processes, all.data(), all.size() * sizeof(Process));
  return kSuccess;
}

}  // extern "C"
