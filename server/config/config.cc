#include "server/config/config.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>

#include "absl/strings/strip.h"

namespace skytrain {
namespace {

std::vector<std::string> WithPrefix(const std::vector<std::string>& listen,
                                    absl::string_view prefix) {
  std::vector<std::string> found;
  for (absl::string_view address : listen) {
    if (absl::ConsumePrefix(&address, prefix)) found.emplace_back(address);
  }
  return found;
}

}  // namespace

std::vector<std::string> Config::SocketPaths() const { return WithPrefix(listen, "unix:"); }
std::vector<std::string> Config::TlsAddresses() const { return WithPrefix(listen, "tls:"); }

Surroundings Surroundings::OfThisProcess() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = getenv(name);
    return value == nullptr ? "" : value;
  };
  Surroundings surroundings;
  surroundings.xdg_runtime_dir = variable("XDG_RUNTIME_DIR");
  surroundings.home = variable("HOME");
  surroundings.root = geteuid() == 0;
  std::array<char, PATH_MAX> self;
  const ssize_t length = readlink("/proc/self/exe", self.data(), self.size());
  if (length > 0) {
    const std::string path(self.data(), length);
    surroundings.binary_dir = path.substr(0, path.rfind('/'));
  }
  return surroundings;
}

}  // namespace skytrain
