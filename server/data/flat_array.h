#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/data/array_file.h"
#include "server/data/fd.h"

namespace skytrain::data {

// Numbers that lie one after the other, at some place of some bytes: what npy, npz and idx have in
// common.
struct FlatArray {
  ArrayInfo info;
  uint64_t offset = 0;  // Where the numbers begin.
  bool big_endian = false;

  uint64_t bytes() const { return info.row_bytes() * static_cast<uint64_t>(info.rows()); }
};

// From the header of an npy file (numpy's format versions 1 to 3) or an idx file (LeCun's MNIST
// page), the first bytes of which are `head`. INVALID_ARGUMENT with a short reason.
absl::StatusOr<FlatArray> ParseNpyHeader(absl::string_view head);
absl::StatusOr<FlatArray> ParseIdxHeader(absl::string_view head);
constexpr size_t kLargestArrayHeader = 64 << 10;

// Sets the type and shape of `array`. INVALID_ARGUMENT when that many numbers cannot be.
absl::Status SetShape(std::vector<int64_t> shape, ArrayInfo& array);

// Turns `bytes`, numbers of `array`'s type, into the machine's byte order.
void ToMachineOrder(const FlatArray& array, std::string& bytes);

// A file, or its unpacked content, that can be read at any place.
class RandomAccessBytes {
 public:
  // With `image` empty, the file at `path`.
  static absl::StatusOr<RandomAccessBytes> Open(const std::string& path, std::string image);

  uint64_t size() const { return size_; }
  // DATA_INVALID when they are not all there.
  absl::Status Read(uint64_t offset, uint64_t size, std::string& bytes) const;

 private:
  std::string path_;
  std::string image_;
  Fd fd_;
  uint64_t size_ = 0;
};

}  // namespace skytrain::data
