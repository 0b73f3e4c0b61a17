#include "server/shepherd/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"
#include "server/shepherd/memory_events.h"

namespace skytrain {
namespace {

constexpr uint64_t kMaxBytes = 1 << 20;
constexpr absl::string_view kGroupPrefix = "skytrain-";

std::string ReadOrEmpty(const std::string& path) {
  return FileSystem::Posix().ReadFile(path, kMaxBytes).value_or("");
}

// The kernel's files take one write, and answer with errno.
absl::Status WriteTo(const std::string& path, absl::string_view value) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const ssize_t written = write(fd, value.data(), value.size());
  const int error = errno;
  close(fd);
  if (written >= 0) return absl::OkStatus();
  return absl::ErrnoToStatus(error, absl::StrCat("cannot write ", value, " to ", path));
}

// Where the v2 hierarchy is mounted: /sys/fs/cgroup, or below it beside the v1 ones.
std::string MountPoint() {
  for (const absl::string_view line : absl::StrSplit(ReadOrEmpty("/proc/self/mounts"), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() > 2 && words[2] == "cgroup2") return std::string(words[1]);
  }
  return "";
}

absl::Status NotPossible(absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat("no control group: ", why));
}

}  // namespace

void RemoveLeftCgroups() {
  const std::string own = OwnCgroupPath();
  if (own.empty()) return;
  const auto names = FileSystem::Posix().ListDir(own);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!absl::StartsWith(name, kGroupPrefix)) continue;
    // The name ends with the pid of the shepherd, which may not have moved into it yet.
    const std::string pid = name.substr(name.rfind('-') + 1);
    if (access(absl::StrCat("/proc/", pid).c_str(), F_OK) == 0) continue;
    const std::string path = absl::StrCat(own, "/", name);
    // Fails while a process is in one of them.
    for (const char* part : {"/ranks", "/shepherd", ""}) rmdir((path + part).c_str());
  }
}

std::string OwnCgroupPath() {
  const std::string mount = MountPoint();
  if (mount.empty()) return "";
  for (absl::string_view line : absl::StrSplit(ReadOrEmpty("/proc/self/cgroup"), '\n')) {
    if (!absl::ConsumePrefix(&line, "0::")) continue;
    return absl::StrCat(mount, line == "/" ? "" : line);
  }
  return "";
}

absl::StatusOr<std::unique_ptr<Cgroup>> Cgroup::Create(absl::string_view name,
                                                       int64_t memory_limit_bytes) {
  const std::string own = OwnCgroupPath();
  if (own.empty()) return NotPossible("no cgroup v2 is mounted");
  std::unique_ptr<Cgroup> group(new Cgroup(absl::StrCat(own, "/", name)));
  if (mkdir(group->path_.c_str(), 0755) != 0) {
    return NotPossible(
        absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", group->path_)).message());
  }
  if (memory_limit_bytes > 0) {
    // Refused, but for the root, where the group holds processes itself.
    WriteTo(own + "/cgroup.subtree_control", "+memory").IgnoreError();
    group->LimitMemory(memory_limit_bytes).IgnoreError();
  }
  return group;
}

absl::StatusOr<std::unique_ptr<Cgroup>> Cgroup::CreateFor(const UserIds& user,
                                                          absl::string_view name,
                                                          int64_t memory_limit_bytes) {
  ASSIGN_OR_RETURN(std::unique_ptr<Cgroup> group, Create(name, memory_limit_bytes));
  RETURN_IF_ERROR(group->GiveTo(user));
  return group;
}

absl::Status Cgroup::GiveTo(const UserIds& user) {
  const std::string own_path = path_ + "/shepherd";
  const std::string ranks_path = path_ + "/ranks";
  for (const std::string& part : {own_path, ranks_path}) {
    if (mkdir(part.c_str(), 0755) != 0) {
      return NotPossible(absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", part)).message());
    }
  }
  // What Linux's documentation of cgroup v2 calls delegation: the folders, to make more of them,
  // and the files that move processes; not memory.max.
  for (const std::string& path : {path_, own_path, ranks_path}) {
    for (const char* file : {"", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control"}) {
      if (chown((path + file).c_str(), user.uid, user.gid) != 0) {
        return NotPossible(absl::ErrnoToStatus(errno, "cannot delegate it").message());
      }
    }
  }
  // Absent in older kernels: then the process group has to do.
  if (chown((ranks_path + "/cgroup.kill").c_str(), user.uid, user.gid) != 0) errno = 0;
  if (has_memory_limit_) {
    // What the kernel ends as one for lack of memory are the ranks, not who tells of it.
    WriteTo(path_ + "/memory.oom.group", "0").IgnoreError();
    WriteTo(path_ + "/cgroup.subtree_control", "+memory").IgnoreError();
    WriteTo(ranks_path + "/memory.oom.group", "1").IgnoreError();
  }
  ranks_path_ = ranks_path;
  return WriteTo(own_path + "/cgroup.procs", absl::StrCat(getpid()));
}

Cgroup::~Cgroup() {
  // What was killed just now holds it for a moment.
  for (int tries = 0; tries < 100 && rmdir(ranks_path_.c_str()) != 0 && errno == EBUSY; ++tries) {
    usleep(10'000);
  }
}

absl::Status Cgroup::LimitMemory(int64_t bytes) {
  RETURN_IF_ERROR(WriteTo(path_ + "/memory.max", absl::StrCat(bytes)));
  // Else the kernel would take memory from the ranks by swapping, which is slower than an error.
  WriteTo(path_ + "/memory.swap.max", "0").IgnoreError();
  // One rank without the others is of no use.
  WriteTo(path_ + "/memory.oom.group", "1").IgnoreError();
  has_memory_limit_ = true;
  return absl::OkStatus();
}

absl::Status Cgroup::Add(int pid) const {
  return WriteTo(ranks_path_ + "/cgroup.procs", absl::StrCat(pid));
}

void Cgroup::Kill() const { WriteTo(ranks_path_ + "/cgroup.kill", "1").IgnoreError(); }

std::vector<int> Cgroup::Processes() const {
  std::vector<int> pids;
  for (const absl::string_view line :
       absl::StrSplit(ReadOrEmpty(ranks_path_ + "/cgroup.procs"), '\n')) {
    int pid = 0;
    if (absl::SimpleAtoi(line, &pid)) pids.push_back(pid);
  }
  return pids;
}

uint64_t Cgroup::OomKills() const {
  return internal::CounterIn(ReadOrEmpty(path_ + "/memory.events"), "oom_kill");
}

}  // namespace skytrain
