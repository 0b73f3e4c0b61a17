#include "client/render/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace skytrain::client {

Terminal Terminal::Of(int fd) {
  Terminal terminal;
  terminal.width = 0;
  if (!isatty(fd)) return terminal;
  const char* term = getenv("TERM");
  const char* no_colour = getenv("NO_COLOR");
  terminal.interactive = term != nullptr && strcmp(term, "dumb") != 0;
  terminal.colour = terminal.interactive && (no_colour == nullptr || *no_colour == '\0');
  winsize size{};
  terminal.width = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  return terminal;
}

std::string Terminal::Style(absl::string_view code, absl::string_view text) const {
  return colour ? absl::StrCat("\x1b[", code, "m", text, "\x1b[0m") : std::string(text);
}

}  // namespace skytrain::client
