#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"

// libFuzzer's entry, which each target defines once.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace skytrain::fuzz {

inline absl::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// What must hold whatever the input is; works in every build type.
inline void Check(bool holds) {
  if (!holds) std::abort();
}

// A file in memory that holds the input, for readers that want a path. The same path every time.
const std::string& InputFile(absl::string_view content);

// Takes values off the front of an input; zeros when there is nothing left.
class Taker {
 public:
  explicit Taker(absl::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  uint64_t Number(size_t bytes) {
    uint64_t value = 0;
    for (; bytes > 0 && !rest_.empty(); --bytes, rest_.remove_prefix(1)) {
      value = value << 8 | static_cast<uint8_t>(rest_.front());
    }
    return value;
  }
  absl::string_view Bytes(size_t size) {
    const absl::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  absl::string_view Rest() const { return rest_; }

 private:
  absl::string_view rest_;
};

}  // namespace skytrain::fuzz
