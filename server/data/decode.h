#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/data/image.h"
#include "server/data/sample_index.h"
#include "server/data/sources.h"

namespace skytrain::data {

struct DecodeOptions {
  int threads = 1;
  std::function<void(int64_t, int64_t)> progress;  // (done, total); may be empty.
  std::function<bool()> stop;                      // True: CANCELLED; may be empty.
};

// Decodes every image of `index` into the cache file `path`; those that cannot be decoded are left
// out and named in its manifest.
absl::Status DecodeIntoCache(const SampleIndex& index, const Sources& sources, const View& view,
                             const std::string& path, const DecodeOptions& options);

// One report a sample, from the headers alone, on two threads.
absl::StatusOr<std::vector<ImageReport>> ReadHeaders(const SampleIndex& index);
// The same as if every header were good, reading nothing.
std::vector<ImageReport> HeadersUnread(const SampleIndex& index);

}  // namespace skytrain::data
