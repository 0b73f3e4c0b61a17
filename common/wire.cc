#include "common/wire.h"

namespace skytrain {

bool TakeVarint(absl::string_view* bytes, uint64_t* value) {
  uint64_t result = 0;
  for (size_t i = 0; i < bytes->size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>((*bytes)[i]);
    result |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes->remove_prefix(i + 1);
      *value = result;
      return true;
    }
  }
  return false;
}

bool TakeLastVarint(absl::string_view* column, uint64_t* value) {
  if (column->empty()) return false;
  // The byte before a varint ends another one, so it has no continuation bit.
  size_t start = column->size() - 1;
  while (start > 0 && static_cast<unsigned char>((*column)[start - 1]) >= 0x80) --start;
  absl::string_view last = column->substr(start);
  if (!TakeVarint(&last, value)) return false;
  column->remove_suffix(column->size() - start);
  return true;
}

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

namespace {

// Of a tag or a length: protobuf reads no longer form of those.
bool TakeShortVarint(absl::string_view* bytes, uint64_t* value) {
  const size_t before = bytes->size();
  return TakeVarint(bytes, value) && before - bytes->size() <= 5;
}

}  // namespace

bool WireReader::Next(WireField* field) {
  if (!ok_ || rest_.empty()) return false;
  uint64_t tag = 0;
  ok_ = TakeShortVarint(&rest_, &tag) && (tag >> 3) != 0 && (tag >> 3) < (1u << 29);
  if (!ok_) return false;
  field->number = static_cast<uint32_t>(tag >> 3);
  field->type = static_cast<uint32_t>(tag & 7);
  uint64_t length = 0;
  switch (field->type) {
    case 0:
      return ok_ = TakeVarint(&rest_, &field->varint);
    case 1:
      length = 8;
      break;
    case 2:
      if (!(ok_ = TakeShortVarint(&rest_, &length))) return false;
      break;
    case 5:
      length = 4;
      break;
    default:
      return ok_ = false;
  }
  if (!(ok_ = length <= rest_.size())) return false;
  field->bytes = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return true;
}

}  // namespace skytrain
