#pragma once

#include <gtest/gtest.h>

#include <string>

#include "absl/status/statusor.h"
#include "common/digest/digest.h"
#include "server/blobs/blob_reader.h"

namespace skytrain {

// All that `reader`, opened at `offset`, still gives, or its error. Each chunk is checked against
// the API's promises: at most 1 MiB, no gap, its own checksum.
inline absl::StatusOr<std::string> ReadAll(BlobReader& reader, int64_t offset) {
  std::string all;
  while (true) {
    v1::ReadBlobResponse chunk;
    const auto more = reader.Next(&chunk);
    if (!more.ok()) return more.status();
    if (!*more) return all;
    EXPECT_LE(chunk.data().size(), size_t{1} << 20);
    EXPECT_EQ(chunk.offset(), offset + static_cast<int64_t>(all.size()));
    EXPECT_EQ(chunk.crc32c(), Crc32c(chunk.data()));
    all += chunk.data();
  }
}

}  // namespace skytrain
