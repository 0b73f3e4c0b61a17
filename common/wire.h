#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace skytrain {

// One field of a serialized protobuf message.
struct WireField {
  uint32_t number = 0;
  uint32_t type = 0;        // 0 varint, 1 64 bit, 2 length-delimited, 5 32 bit.
  uint64_t varint = 0;      // Of type 0.
  absl::string_view bytes;  // Of types 1, 2 and 5: points into the message.
};

// Walks over the fields of a message without decoding what nobody asked for: metric batches hold
// thousands of points, of which the fold needs a handful.
class WireReader {
 public:
  explicit WireReader(absl::string_view message) : rest_(message) {}
  // False at the end, or where the bytes are not a message: then ok() is false.
  bool Next(WireField* field);
  bool ok() const { return ok_; }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

// Takes a varint off the front of `bytes`. False when there is no whole one.
bool TakeVarint(absl::string_view* bytes, uint64_t* value);
// Takes the last varint off a packed column. False when it is empty.
bool TakeLastVarint(absl::string_view* column, uint64_t* value);

// Appends to a message that is being written.
void AppendVarint(uint64_t value, std::string* out);

}  // namespace skytrain
