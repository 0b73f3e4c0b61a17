#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace skytrain::client {

// What an output can show. A renderer gets one and asks nothing else about the world.
struct Terminal {
  bool interactive = false;  // A terminal that can move its cursor: bars and live lines.
  bool colour = false;
  int width = 100;  // Columns; unlimited (0) off a terminal.

  // Of a file descriptor. Neither bars nor colours when it is no terminal or TERM is "dumb"; no
  // colours when NO_COLOR is set.
  static Terminal Of(int fd);

  std::string Bold(absl::string_view text) const { return Style("1", text); }
  std::string Dim(absl::string_view text) const { return Style("2", text); }
  std::string Red(absl::string_view text) const { return Style("31", text); }
  std::string Green(absl::string_view text) const { return Style("32", text); }
  std::string Yellow(absl::string_view text) const { return Style("33", text); }

 private:
  std::string Style(absl::string_view code, absl::string_view text) const;
};

}  // namespace skytrain::client
