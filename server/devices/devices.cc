#include "server/devices/devices.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
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

std::vector<v1::Device> DetectGpus(DeviceMonitor* monitor) {
  if (monitor == nullptr) return GpuDeviceFiles();
  const auto states = monitor->Look();
  if (!states.ok()) return GpuDeviceFiles();
  std::vector<v1::Device> devices;
  for (const GpuState& state : *states) {
    devices.push_back(Named("gpu", devices.size(), state.model));
    devices.back().set_memory_bytes(state.memory_bytes);
  }
  return devices;
}

}  // namespace skytrain
