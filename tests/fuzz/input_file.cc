#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/fuzz.h"

namespace skytrain::fuzz {
namespace {

struct File {
  File() : path(absl::StrCat("/dev/shm/skytrain-fuzz-", getpid())) {
    fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    Check(fd >= 0);
  }
  ~File() { unlink(path.c_str()); }
  std::string path;
  int fd;
};

}  // namespace

const std::string& InputFile(absl::string_view content) {
  static File file;
  Check(ftruncate(file.fd, 0) == 0);
  Check(pwrite(file.fd, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()));
  return file.path;
}

}  // namespace skytrain::fuzz
