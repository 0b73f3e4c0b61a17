#include "server/data/array_file.h"

#include <fcntl.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/fd.h"

namespace skytrain::data {
namespace {

constexpr struct {
  ElementType type;
  size_t size;
  const char* name;
} kTypes[] = {
    {ElementType::kUint8, 1, "uint8"},     {ElementType::kInt8, 1, "int8"},
    {ElementType::kUint16, 2, "uint16"},   {ElementType::kInt16, 2, "int16"},
    {ElementType::kUint32, 4, "uint32"},   {ElementType::kInt32, 4, "int32"},
    {ElementType::kUint64, 8, "uint64"},   {ElementType::kInt64, 8, "int64"},
    {ElementType::kFloat32, 4, "float32"}, {ElementType::kFloat64, 8, "float64"},
};
const auto& Of(ElementType type) { return kTypes[static_cast<size_t>(type)]; }

constexpr size_t kHeadBytes = 4096;

bool IsGzip(absl::string_view head) { return absl::StartsWith(head, "\x1f\x8b"); }

absl::StatusOr<std::string> ReadHead(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return SystemError("open", path, errno);
  std::string head(kHeadBytes, '\0');
  const ssize_t got = ::pread(fd.get(), head.data(), head.size(), 0);
  if (got < 0) return SystemError("read", path, errno);
  head.resize(static_cast<size_t>(got));
  return head;
}

// The whole file, unpacked. It must fit into memory, since HDF5 jumps about in it.
absl::StatusOr<std::string> Gunzip(const std::string& path) {
  constexpr uint64_t kMostBytes = uint64_t{16} << 30;
  constexpr size_t kStep = 4 << 20;
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return SystemError("open", path, errno);
  const gzFile file = ::gzdopen(::dup(fd.get()), "rb");
  if (file == nullptr) return SystemError("open", path, ENOMEM);
  std::string bytes;
  absl::Status status;
  while (true) {
    const size_t had = bytes.size();
    bytes.resize(had + kStep);
    const int got = ::gzread(file, bytes.data() + had, kStep);
    bytes.resize(had + static_cast<size_t>(got > 0 ? got : 0));
    int error = Z_OK;
    const char* text = ::gzerror(file, &error);
    if (got < 0 || error == Z_BUF_ERROR) {
      status = DataInvalid(absl::StrCat(Quotable(path), " cannot be unpacked: ",
                                        error == Z_BUF_ERROR ? "it is cut short" : text));
      break;
    }
    if (got == 0) break;
    if (bytes.size() > kMostBytes) {
      status = DataInvalid(
          absl::StrCat(Quotable(path), " unpacks to more than ", Grouped(kMostBytes), " bytes"));
      break;
    }
  }
  ::gzclose(file);
  RETURN_IF_ERROR(status);
  return bytes;
}

}  // namespace

size_t SizeOf(ElementType type) { return Of(type).size; }
absl::string_view NameOf(ElementType type) { return Of(type).name; }
bool IsInteger(ElementType type) {
  return type != ElementType::kFloat32 && type != ElementType::kFloat64;
}

uint64_t ArrayInfo::row_bytes() const {
  uint64_t bytes = SizeOf(type);
  for (size_t i = 1; i < shape.size(); ++i) bytes *= static_cast<uint64_t>(shape[i]);
  return bytes;
}

std::string ArrayInfo::ToString() const {
  return absl::StrCat(Quotable(name), name.empty() ? "" : ", ", NameOf(type), " (",
                      absl::StrJoin(shape, ", "), ")");
}

const ArrayInfo* ArrayFile::Find(absl::string_view name) const {
  for (const ArrayInfo& array : arrays_) {
    if (array.name == name) return &array;
  }
  return nullptr;
}

absl::StatusOr<std::vector<int64_t>> ReadIntegers(const ArrayFile& file, const ArrayInfo& array) {
  if (!IsInteger(array.type)) {
    return DataInvalid(absl::StrCat(Quotable(file.path()), ": ", array.ToString(),
                                    " does not hold whole numbers"));
  }
  std::string bytes;
  RETURN_IF_ERROR(file.ReadRows(array, 0, array.rows(), bytes));
  const size_t size = SizeOf(array.type);
  const bool is_signed = NameOf(array.type)[0] == 'i';
  std::vector<int64_t> numbers(bytes.size() / size);
  for (size_t i = 0; i < numbers.size(); ++i) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + i * size, size);
    if (is_signed && size < 8 && (value >> (8 * size - 1)) != 0) value |= ~uint64_t{0} << 8 * size;
    if (!is_signed && value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return DataInvalid(absl::StrCat(Quotable(file.path()), ": ", array.ToString(), ", row ", i,
                                      ": ", value, " is too large"));
    }
    numbers[i] = static_cast<int64_t>(value);
  }
  return numbers;
}

ArrayKind ArrayKindOf(absl::string_view head) {
  if (absl::StartsWith(head, "\x89HDF\r\n\x1a\n")) return ArrayKind::kHdf5;
  if (absl::StartsWith(head, "\x93NUMPY")) return ArrayKind::kNpy;
  // idx: two zeros, the type of the numbers, how many sizes follow.
  if (head.size() >= 8 && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 &&
      head[3] >= 1 && head[3] <= 4) {
    return ArrayKind::kIdx;
  }
  // A zip whose first file is an array: its name begins at byte 30, its length is at byte 26.
  if (absl::StartsWith(head, "PK\x03\x04") && head.size() > 30) {
    const size_t length = static_cast<uint8_t>(head[26]) | static_cast<uint8_t>(head[27]) << 8;
    if (absl::EndsWith(head.substr(30, length), ".npy")) return ArrayKind::kNpz;
  }
  return ArrayKind::kNone;
}

std::string GunzipHead(absl::string_view head) {
  std::string out(kHeadBytes, '\0');
  z_stream stream = {};
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (::inflateInit2(&stream, kGzipOnly) != Z_OK) return "";
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(head.data()));
  stream.avail_in = static_cast<uInt>(head.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::inflate(&stream, Z_SYNC_FLUSH);
  out.resize(out.size() - stream.avail_out);
  ::inflateEnd(&stream);
  return out;
}

absl::StatusOr<std::unique_ptr<ArrayFile>> OpenArrayFile(const std::string& resolved) {
  ASSIGN_OR_RETURN(std::string head, ReadHead(resolved));
  const bool gzipped = IsGzip(head);
  if (gzipped) head = GunzipHead(head);
  const ArrayKind kind = ArrayKindOf(head);
  std::string image;
  if (gzipped && kind != ArrayKind::kNone && kind != ArrayKind::kNpz) {
    ASSIGN_OR_RETURN(image, Gunzip(resolved));
  }
  switch (kind) {
    case ArrayKind::kHdf5:
      return OpenHdf5(resolved, std::move(image));
    case ArrayKind::kNpy:
      return OpenNpy(resolved, std::move(image));
    case ArrayKind::kIdx:
      return OpenIdx(resolved, std::move(image));
    case ArrayKind::kNpz:
      if (!gzipped) return OpenNpz(resolved);
      break;
    case ArrayKind::kNone:
      break;
  }
  return DataInvalid(
      absl::StrCat(Quotable(resolved), " is none of HDF5, npy, npz, idx, nor one of them gzipped"));
}

}  // namespace skytrain::data
