#include "server/devices.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace skytrain {
namespace {

std::string ProcessorName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (absl::StartsWith(line, "model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "";
}

v1::Device Named(const char* kind, size_t index, const std::string& model) {
  v1::Device device;
  device.set_name(absl::StrCat(kind, ":", index));
  device.set_model(model);
  return device;
}

// The few functions of NVML that are needed. The library belongs to the driver, so it is opened and
// never linked.
class Nvml {
 public:
  Nvml() : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), Close) {
    if (library_ == nullptr) return;
    const bool found = Find("nvmlInit_v2", init_) && Find("nvmlShutdown", shutdown_) &&
                       Find("nvmlDeviceGetCount_v2", count_) &&
                       Find("nvmlDeviceGetHandleByIndex_v2", handle_) &&
                       Find("nvmlDeviceGetName", name_) && Find("nvmlDeviceGetMemoryInfo", memory_);
    ready_ = found && init_() == 0;
  }
  ~Nvml() {
    if (ready_) shutdown_();
  }

  // nullopt: there is no driver to ask.
  std::optional<std::vector<v1::Device>> Devices() const {
    unsigned count = 0;
    if (!ready_ || count_(&count) != 0) return std::nullopt;
    std::vector<v1::Device> devices;
    for (unsigned i = 0; i < count; ++i) {
      void* handle = nullptr;
      if (handle_(i, &handle) != 0) continue;
      char name[96] = {};
      name_(handle, name, sizeof(name));
      devices.push_back(Named("gpu", i, name));
      MemoryInfo memory{};
      if (memory_(handle, &memory) == 0) devices.back().set_memory_bytes(memory.total);
    }
    return devices;
  }

 private:
  struct MemoryInfo {
    unsigned long long total, free, used;
  };
  static void Close(void* library) {
    if (library != nullptr) dlclose(library);
  }
  template <typename Function>
  bool Find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library_.get(), name));
    return function != nullptr;
  }

  std::unique_ptr<void, void (*)(void*)> library_;
  bool ready_ = false;
  int (*init_)() = nullptr;
  int (*shutdown_)() = nullptr;
  int (*count_)(unsigned*) = nullptr;
  int (*handle_)(unsigned, void**) = nullptr;
  int (*name_)(void*, char*, unsigned) = nullptr;
  int (*memory_)(void*, MemoryInfo*) = nullptr;
};

std::vector<v1::Device> GpuDeviceFiles() {
  std::vector<v1::Device> devices;
  DIR* listing = opendir("/dev");
  if (listing == nullptr) return devices;
  while (const dirent* entry = readdir(listing)) {
    absl::string_view number = entry->d_name;
    if (absl::ConsumePrefix(&number, "nvidia") && !number.empty() &&
        std::all_of(number.begin(), number.end(), [](unsigned char c) { return isdigit(c); })) {
      devices.push_back(Named("gpu", devices.size(), ""));
    }
  }
  closedir(listing);
  return devices;
}

}  // namespace

std::vector<v1::Device> DetectCpus() {
  cpu_set_t allowed;
  const int count = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  const std::string model = ProcessorName();
  std::vector<v1::Device> devices;
  for (int i = 0; i < count; ++i) devices.push_back(Named("cpu", i, model));
  return devices;
}

std::vector<v1::Device> DetectGpus() {
  if (auto devices = Nvml().Devices(); devices.has_value()) return *std::move(devices);
  return GpuDeviceFiles();
}

}  // namespace skytrain
