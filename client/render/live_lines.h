#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/render/terminal.h"

namespace skytrain::client {

// Lines at the bottom of a terminal that are drawn again in place, below text that stays. Gives the
// bytes to write; off a terminal only the text that stays. Not thread-safe.
class LiveLines {
 public:
  explicit LiveLines(Terminal terminal) : terminal_(terminal) {}

  // `lines` in place of those drawn before, each cut to the terminal's width.
  std::string Draw(const std::vector<std::string>& lines);
  // `text`, whole lines, above the live ones, which are gone until the next Draw.
  std::string Above(absl::string_view text);
  // Takes the live lines away.
  std::string Clear();

 private:
  const Terminal terminal_;
  int drawn_ = 0;
};

}  // namespace skytrain::client
