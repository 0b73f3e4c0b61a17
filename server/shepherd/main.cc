// skytrain-shepherd [--run-as UID:GID:GROUP,…] [--memory-limit BYTES] --attempt DIR: runs one
// attempt. Exit code 0: the exit record is written, however the run ended. 1: it could not be, or
// the attempt is not ours to run. 2: wrong usage.
//
// --run-as (root only; mode: site): becomes that user before it opens anything of DIR. The bound on
// memory comes with it on the command line: in DIR the user could change it.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/attempt/attempt_dir.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/process/run_as.h"
#include "server/shepherd/cgroup.h"
#include "server/shepherd/shepherd.h"

namespace skytrain {
namespace {

struct Arguments {
  std::string attempt;
  std::optional<UserIds> run_as;
  int64_t memory_limit_bytes = 0;
};

absl::StatusOr<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const absl::string_view flag = argv[i];
    if (flag == "--attempt") {
      arguments.attempt = argv[i + 1];
    } else if (flag == "--run-as") {
      auto user = ParseRunAs(argv[i + 1]);
      if (!user.ok()) return user.status();
      arguments.run_as = *std::move(user);
    } else if (flag != "--memory-limit" ||
               !absl::SimpleAtoi(argv[i + 1], &arguments.memory_limit_bytes)) {
      arguments.attempt.clear();
      break;
    }
  }
  if (argc % 2 == 1 && !arguments.attempt.empty()) return arguments;
  return absl::InvalidArgumentError(
      "usage: skytrain-shepherd [--run-as UID:GID:GROUP,GROUP] [--memory-limit BYTES] "
      "--attempt DIR");
}

int Fail(int code, absl::string_view message) {
  std::fprintf(stderr, "skytrain-shepherd: %.*s\n", static_cast<int>(message.size()),
               message.data());
  return code;
}

int Main(int argc, char** argv) {
  const absl::StatusOr<Arguments> arguments = Parse(argc, argv);
  if (!arguments.ok()) return Fail(2, arguments.status().message());
  BlockShepherdSignals();
  // A group and session of our own, where we are not started in one: what is sent to the daemon's
  // or a script's group is not meant for the run. From a shell with job control we are one already.
  setsid();
  ShepherdCgroup cgroup;
  if (arguments->run_as.has_value()) {
    // The group while we are root; for the user then.
    cgroup = Cgroup::CreateFor(*arguments->run_as, absl::StrCat("skytrain-", getpid()),
                               arguments->memory_limit_bytes);
    if (const absl::Status became = BecomeUser(*arguments->run_as); !became.ok()) {
      return Fail(1, became.message());
    }
  }
  std::error_code error;
  const std::string path =
      std::filesystem::absolute(arguments->attempt, error).lexically_normal().string();
  if (!std::filesystem::is_directory(path, error)) {
    return Fail(1, absl::StrCat(arguments->attempt, " is not a folder"));
  }
  Shepherd shepherd(AttemptDir(FileSystem::Posix(), path), Clock::Real(), std::move(cgroup));
  const absl::Status status = shepherd.Run();
  return status.ok() ? 0 : Fail(1, absl::StrCat(path, ": ", status.message()));
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) { return skytrain::Main(argc, argv); }
