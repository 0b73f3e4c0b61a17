// skytrain-shepherd --attempt DIR: runs one attempt. Exit code 0: the exit record is written,
// however the run ended. 1: it could not be, or the attempt is not ours to run. 2: wrong usage.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "absl/strings/string_view.h"
#include "common/attempt/attempt_dir.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "server/shepherd/shepherd.h"

int main(int argc, char** argv) {
  if (argc != 3 || absl::string_view(argv[1]) != "--attempt") {
    std::fprintf(stderr, "usage: skytrain-shepherd --attempt DIR\n");
    return 2;
  }
  skytrain::BlockShepherdSignals();
  // A group and session of our own, where we are not started in one: what is sent to the daemon's
  // or a script's group is not meant for the run. From a shell with job control we are one already.
  setsid();
  std::error_code error;
  const std::string path = std::filesystem::absolute(argv[2], error).lexically_normal().string();
  if (!std::filesystem::is_directory(path, error)) {
    std::fprintf(stderr, "skytrain-shepherd: %s is not a folder\n", argv[2]);
    return 1;
  }
  skytrain::Shepherd shepherd(skytrain::AttemptDir(skytrain::FileSystem::Posix(), path),
                              skytrain::Clock::Real());
  const absl::Status status = shepherd.Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "skytrain-shepherd: %s: %s\n", path.c_str(),
               std::string(status.message()).c_str());
  return 1;
}
