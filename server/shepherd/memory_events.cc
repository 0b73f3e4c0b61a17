#include "server/shepherd/memory_events.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/file/file_system.h"
#include "server/shepherd/cgroup.h"

namespace skytrain {
namespace {

constexpr uint64_t kMaxBytes = 1 << 20;

std::string ReadOrEmpty(const std::string& path) {
  return FileSystem::Posix().ReadFile(path, kMaxBytes).value_or("");
}

}  // namespace

namespace internal {

uint64_t CounterIn(const std::string& text, const std::string& key) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> words = absl::StrSplit(line, ' ');
    uint64_t value = 0;
    if (words.first == key && absl::SimpleAtoi(words.second, &value)) return value;
  }
  return 0;
}

}  // namespace internal

uint64_t CountOomKills() {
  return internal::CounterIn(ReadOrEmpty("/proc/vmstat"), "oom_kill") +
         internal::CounterIn(ReadOrEmpty(OwnCgroupPath() + "/memory.events"), "oom_kill");
}

}  // namespace skytrain
