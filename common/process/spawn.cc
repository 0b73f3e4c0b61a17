#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "absl/strings/str_cat.h"
#include "common/process/process.h"

namespace skytrain {
namespace {

struct FileActions {
  posix_spawn_file_actions_t value;
  FileActions() { posix_spawn_file_actions_init(&value); }
  ~FileActions() { posix_spawn_file_actions_destroy(&value); }
};

struct Attributes {
  posix_spawnattr_t value;
  Attributes() { posix_spawnattr_init(&value); }
  ~Attributes() { posix_spawnattr_destroy(&value); }
};

void SetUpFiles(const SpawnOptions& options, FileActions& actions) {
  const int sources[] = {options.stdin_fd, options.stdout_fd, options.stderr_fd};
  for (int target = 0; target < 3; ++target) {
    if (sources[target] >= 0) {
      posix_spawn_file_actions_adddup2(&actions.value, sources[target], target);
    } else {
      posix_spawn_file_actions_addopen(&actions.value, target, "/dev/null",
                                       target == 0 ? O_RDONLY : O_WRONLY, 0);
    }
  }
  int highest = 2;
  for (const int fd : options.keep_fds) {
    // A dup2 onto itself clears close-on-exec in the child alone.
    posix_spawn_file_actions_adddup2(&actions.value, fd, fd);
    highest = std::max(highest, fd);
  }
  // Ours are all close-on-exec; libraries may have opened others.
  posix_spawn_file_actions_addclosefrom_np(&actions.value, highest + 1);
  if (!options.working_dir.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions.value, options.working_dir.c_str());
  }
}

void SetUpAttributes(const SpawnOptions& options, Attributes& attributes) {
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  sigset_t blocked, defaulted;
  sigemptyset(&blocked);
  for (const int signal : options.blocked_signals) sigaddset(&blocked, signal);
  // Ignored signals would stay ignored across exec.
  sigfillset(&defaulted);
  posix_spawnattr_setsigmask(&attributes.value, &blocked);
  posix_spawnattr_setsigdefault(&attributes.value, &defaulted);
  if (options.new_session) {
    flags |= POSIX_SPAWN_SETSID;
  } else if (options.new_process_group || options.process_group > 0) {
    flags |= POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setpgroup(&attributes.value, std::max(options.process_group, 0));
  }
  posix_spawnattr_setflags(&attributes.value, flags);
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<int> Spawn(const SpawnOptions& options) {
  if (options.argv.empty()) return absl::InvalidArgumentError("no program to start");
  FileActions actions;
  SetUpFiles(options, actions);
  Attributes attributes;
  SetUpAttributes(options, attributes);
  std::vector<char*> argv = Pointers(options.argv);
  std::vector<char*> environment = Pointers(options.environment);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, options.argv[0].c_str(), &actions.value, &attributes.value,
                                argv.data(), environment.data());
  if (error != 0) {
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", options.argv[0]));
  }
  return pid;
}

}  // namespace skytrain
