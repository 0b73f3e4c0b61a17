#include "server/shepherd/process_memory.h"

#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/file/file_system.h"

namespace skytrain {
namespace {

constexpr uint64_t kMaxBytes = 1 << 16;

}  // namespace

namespace internal {

int64_t OwnMemoryIn(const std::string& status) {
  int64_t bytes = 0;
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (!absl::ConsumePrefix(&line, "RssAnon:") && !absl::ConsumePrefix(&line, "RssShmem:")) {
      continue;
    }
    absl::ConsumeSuffix(&line, " kB");
    int64_t kib = 0;
    if (absl::SimpleAtoi(line, &kib)) bytes += kib * 1024;
  }
  return bytes;
}

}  // namespace internal

int64_t MemoryOf(absl::Span<const int> pids) {
  int64_t bytes = 0;
  for (const int pid : pids) {
    const auto status =
        FileSystem::Posix().ReadFile(absl::StrCat("/proc/", pid, "/status"), kMaxBytes);
    if (status.ok()) bytes += internal::OwnMemoryIn(*status);
  }
  return bytes;
}

std::vector<int> ProcessesOfGroup(int process_group) {
  std::vector<int> pids;
  const auto names = FileSystem::Posix().ListDir("/proc");
  if (!names.ok()) return pids;
  for (const std::string& name : *names) {
    int pid = 0;
    if (absl::SimpleAtoi(name, &pid) && getpgid(pid) == process_group) pids.push_back(pid);
  }
  return pids;
}

}  // namespace skytrain
