#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/file/file_system.h"

namespace skytrain::training {

// The safetensors format (huggingface/safetensors): 8 bytes little-endian header length N, N bytes
// of JSON {"NAME": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, "__metadata__":
// {string: string}}, then the tensors' bytes, row-major little-endian, offsets from the header's
// end. Our headers are padded with spaces to a multiple of 8.

struct TensorView {
  std::string name;
  std::string dtype;  // "F32", "I64", …
  std::vector<int64_t> shape;
  absl::string_view data;  // Not owned.
};

struct FileDigest {
  std::string sha256;  // Hexadecimal.
  int64_t size_bytes = 0;
};

struct Safetensors {
  std::vector<TensorView> tensors;
  std::map<std::string, std::string> metadata;
};

// Writes and syncs a new file. ALREADY_EXISTS, RESOURCE_EXHAUSTED (disk full).
absl::StatusOr<FileDigest> WriteSafetensors(FileSystem& fs, const std::string& path,
                                            absl::Span<const TensorView> tensors,
                                            const std::map<std::string, std::string>& metadata);

// Reads `content`, a whole file, which the views point into. DATA_LOSS (SAFETENSORS_CORRUPT) for
// anything but a well-formed file: a header that is too long or no JSON, unknown types, shapes that
// do not match their bytes, tensors that overlap, leave a gap or reach beyond the end.
absl::StatusOr<Safetensors> ParseSafetensors(absl::string_view content);

}  // namespace skytrain::training
