#include "client/render/live_lines.h"

#include "absl/strings/str_cat.h"
#include "client/render/format.h"

namespace skytrain::client {

std::string LiveLines::Draw(const std::vector<std::string>& lines) {
  if (!terminal_.interactive) return "";
  std::string bytes = Clear();
  for (const std::string& line : lines) {
    absl::StrAppend(&bytes, Ellipsize(line, terminal_.width - 1), "\n");
  }
  drawn_ = static_cast<int>(lines.size());
  return bytes;
}

std::string LiveLines::Above(absl::string_view text) { return absl::StrCat(Clear(), text); }

std::string LiveLines::Clear() {
  // Up to the first of them, then erase to the end of the screen.
  std::string bytes;
  if (drawn_ > 0) bytes = absl::StrCat("\x1b[", drawn_, "A\r\x1b[J");
  drawn_ = 0;
  return bytes;
}

}  // namespace skytrain::client
