#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain::data {

enum class ElementType {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kUint64,
  kInt64,
  kFloat32,
  kFloat64
};
size_t SizeOf(ElementType type);             // In bytes.
absl::string_view NameOf(ElementType type);  // As numpy writes it: "uint8".
bool IsInteger(ElementType type);

// One array: numbers in C order. Its bytes are in bounds: no product of sizes overflows.
struct ArrayInfo {
  std::string name;  // In the file; empty where the file holds nothing else.
  ElementType type = ElementType::kUint8;
  std::vector<int64_t> shape;

  int64_t rows() const { return shape.empty() ? 0 : shape[0]; }
  uint64_t row_bytes() const;
  std::string ToString() const;  // "images, uint8 (200, 64, 64, 3)".
};

// A file of arrays, recognised by what it is: HDF5, npy, npz or idx, and each of them gzipped.
// Untrusted: what a header claims is checked against the file's length before memory is taken.
// Thread-safe.
class ArrayFile {
 public:
  virtual ~ArrayFile() = default;

  const std::string& path() const { return path_; }
  const std::vector<ArrayInfo>& arrays() const { return arrays_; }  // Sorted by name.
  // Null when there is none.
  const ArrayInfo* Find(absl::string_view name) const;

  // Rows [begin, begin + count) of `array`, one of arrays(), in the machine's byte order. Errors
  // are DATA_INVALID and name the file.
  virtual absl::Status ReadRows(const ArrayInfo& array, int64_t begin, int64_t count,
                                std::string& bytes) const = 0;

 protected:
  explicit ArrayFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<ArrayInfo> arrays_;
};

// All numbers of an array of integers. DATA_INVALID for any other type.
absl::StatusOr<std::vector<int64_t>> ReadIntegers(const ArrayFile& file, const ArrayInfo& array);

// The kinds, as the first bytes tell; a gzipped file tells by its first bytes unpacked.
enum class ArrayKind { kNone, kHdf5, kNpy, kNpz, kIdx };
ArrayKind ArrayKindOf(absl::string_view head);
// Unpacks the beginning of a gzipped file whose first bytes are `head`, as far as they reach.
std::string GunzipHead(absl::string_view head);

// `resolved`: from ResolvePath.
absl::StatusOr<std::unique_ptr<ArrayFile>> OpenArrayFile(const std::string& resolved);

// The formats. `image` is the content where the file was gzipped, else empty: it is read in place.
absl::StatusOr<std::unique_ptr<ArrayFile>> OpenHdf5(const std::string& path, std::string image);
absl::StatusOr<std::unique_ptr<ArrayFile>> OpenNpy(const std::string& path, std::string image);
absl::StatusOr<std::unique_ptr<ArrayFile>> OpenNpz(const std::string& path);
absl::StatusOr<std::unique_ptr<ArrayFile>> OpenIdx(const std::string& path, std::string image);

}  // namespace skytrain::data
