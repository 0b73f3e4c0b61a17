#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "common/digest/digest.h"
#include "server/store/connection.h"

namespace skytrain {

// The checksum of a row, kept in a column of its own: a flipped bit must not become a job's state,
// and must cost no other row. Over the fields in a fixed order, texts with their length.
class RowCrc {
 public:
  RowCrc& Add(int64_t value) {
    char bytes[sizeof(value)];
    std::memcpy(bytes, &value, sizeof(value));
    crc_ = Crc32c(absl::string_view(bytes, sizeof(bytes)), crc_);
    return *this;
  }
  RowCrc& Add(absl::string_view text) {
    Add(static_cast<int64_t>(text.size()));
    crc_ = Crc32c(text, crc_);
    return *this;
  }
  int64_t masked() const { return MaskCrc(crc_); }
  // True when `column` of the current row holds another one. Rows of schema version 1 hold none.
  bool Differs(const Statement& row, int column) const {
    return !row.IsNull(column) && row.Int(column) != masked();
  }

 private:
  uint32_t crc_ = 0;
};

// Gives SQL on this connection row_crc(a, b, …): RowCrc over numbers and texts (or blobs), masked.
void RegisterRowCrc(sqlite3* db);

}  // namespace skytrain
