#include "tests/support/stored_state.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "common/process/process.h"

namespace skytrain {

StoredState::StoredState(absl::string_view archive) {
  SpawnOptions tar;
  tar.argv = {"/bin/tar", "-xzf", absl::StrCat(SKYTRAIN_SOURCE_DIR "/tests/data/stored/", archive),
              "-C", dir_.path()};
  tar.environment = {"PATH=/usr/bin:/bin"};
  tar.stdout_fd = 1;
  const auto pid = Spawn(tar);
  EXPECT_TRUE(pid.ok()) << pid.status();
  int status = -1;
  if (pid.ok()) waitpid(*pid, &status, 0);
  EXPECT_EQ(status, 0) << "tar cannot unpack " << archive;
}

}  // namespace skytrain
