#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "tests/support/temp_dir.h"

namespace skytrain {

// A state folder that a released version wrote (tests/data/stored), unpacked for the test. Fails
// the test when that cannot be done.
class StoredState {
 public:
  explicit StoredState(absl::string_view archive);
  const std::string& path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

}  // namespace skytrain
