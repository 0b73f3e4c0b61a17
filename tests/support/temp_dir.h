#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace skytrain {

// A new folder below the tests' temporary folder, removed with all that is in it at the end of the
// scope. Fails the test when it cannot be made.
class TempDir {
 public:
  TempDir();
  // Below `parent` instead.
  explicit TempDir(const std::string& parent);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const;  // path() + "/" + name

 private:
  std::string path_;
};

// Bytes of a file, for tests that look at or damage them. Fail the test when that cannot be done.
std::string ReadWhole(const std::string& path);
void WriteWhole(const std::string& path, absl::string_view content);

}  // namespace skytrain
