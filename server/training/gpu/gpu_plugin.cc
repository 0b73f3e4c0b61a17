#include "server/training/gpu/gpu_plugin.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>

#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace skytrain::training {
namespace {

const GpuPlugin* loaded_plugin = nullptr;  // Set once, by main, before other threads exist.

std::string FolderOfProgram() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  const std::string program(path, length > 0 ? static_cast<size_t>(length) : 0);
  return program.substr(0, program.rfind('/'));
}

absl::Status NoGpu(const std::string& message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NO_GPU", message);
}

}  // namespace

absl::Status LoadGpuPlugin() {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return NoGpu("a GPU was asked for, but this machine has no CUDA driver (libcuda.so.1)");
  }
  const std::string path = FolderOfProgram() + "/libskytrain_gpu.so";
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  // Programs that lie elsewhere, as tests do, say by their RUNPATH where it is.
  if (library == nullptr && access(path.c_str(), F_OK) != 0) {
    library = dlopen("libskytrain_gpu.so", RTLD_NOW | RTLD_GLOBAL);
  }
  if (library == nullptr) {
    return NoGpu(
        absl::StrCat("a GPU was asked for, but the GPU plug-in does not load: ", dlerror()));
  }
  using Entry = const GpuPlugin* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, kGpuPluginEntry));
  if (entry == nullptr) return NoGpu(absl::StrCat(path, " is not a GPU plug-in of skytrain"));
  const GpuPlugin* plugin = entry();
  if (plugin->device_count() == 0) {
    return NoGpu("a GPU was asked for, but the CUDA driver shows none");
  }
  loaded_plugin = plugin;
  return absl::OkStatus();
}

const GpuPlugin* LoadedGpuPlugin() { return loaded_plugin; }

}  // namespace skytrain::training
