// npy, npz and idx.
#include "server/data/flat_array.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/base/internal/endian.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "server/data/archive_reader.h"
#include "server/data/container.h"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

constexpr size_t kMostDimensions = 8;

absl::Status BadHeader(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("its header ", what));
}

absl::Status NameFile(const std::string& path, const absl::Status& status) {
  return status.ok() ? status : DataInvalid(absl::StrCat(Quotable(path), ": ", status.message()));
}

// The value of 'key' in the Python dictionary of an npy header: up to the comma or brace that ends
// it, brackets respected.
std::optional<std::string> ValueOf(absl::string_view header, absl::string_view key) {
  const size_t at = header.find(absl::StrCat("'", key, "':"));
  if (at == absl::string_view::npos) return std::nullopt;
  const absl::string_view rest = header.substr(at + key.size() + 3);
  int depth = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    if (depth == 0 && (c == ',' || c == '}')) {
      return std::string(absl::StripAsciiWhitespace(rest.substr(0, i)));
    }
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
  }
  return std::nullopt;
}

// "'<f4'"
absl::Status SetDescr(absl::string_view descr, FlatArray& array) {
  constexpr struct {
    const char* code;
    ElementType type;
  } kCodes[] = {
      {"u1", ElementType::kUint8},   {"b1", ElementType::kUint8},  {"i1", ElementType::kInt8},
      {"u2", ElementType::kUint16},  {"i2", ElementType::kInt16},  {"u4", ElementType::kUint32},
      {"i4", ElementType::kInt32},   {"u8", ElementType::kUint64}, {"i8", ElementType::kInt64},
      {"f4", ElementType::kFloat32}, {"f8", ElementType::kFloat64}};
  if (descr.size() == 5 && descr.front() == '\'' && descr.back() == '\'' &&
      std::strchr("<>|=", descr[1]) != nullptr) {
    for (const auto& code : kCodes) {
      if (descr.substr(2, 2) != code.code) continue;
      array.info.type = code.type;
      array.big_endian = descr[1] == '>';
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("its numbers are of type ", Quotable(descr), ", which is not supported"));
}

// One file that is one array.
class SingleArray : public ArrayFile {
 public:
  SingleArray(std::string path, RandomAccessBytes bytes)
      : ArrayFile(std::move(path)), bytes_(std::move(bytes)) {}

  absl::Status Parse(absl::StatusOr<FlatArray> (*parse)(absl::string_view head)) {
    std::string head;
    RETURN_IF_ERROR(bytes_.Read(0, std::min<uint64_t>(bytes_.size(), kLargestArrayHeader), head));
    const absl::StatusOr<FlatArray> parsed = parse(head);
    RETURN_IF_ERROR(NameFile(path_, parsed.status()));
    array_ = *parsed;
    if (array_.offset > bytes_.size() || array_.bytes() > bytes_.size() - array_.offset) {
      return DataInvalid(absl::StrCat(Quotable(path_), " is cut short: ", array_.info.ToString(),
                                      " needs ", Grouped(array_.offset + array_.bytes()),
                                      " bytes, it has ", Grouped(bytes_.size())));
    }
    arrays_ = {array_.info};
    return absl::OkStatus();
  }

  absl::Status ReadRows(const ArrayInfo& array, int64_t begin, int64_t count,
                        std::string& bytes) const override {
    RETURN_IF_ERROR(
        bytes_.Read(array_.offset + begin * array.row_bytes(), count * array.row_bytes(), bytes));
    ToMachineOrder(array_, bytes);
    return absl::OkStatus();
  }

 private:
  RandomAccessBytes bytes_;
  FlatArray array_;
};

// A zip of npy files. Each is unpacked when it is first read, since deflated bytes cannot be read
// from the middle.
class Npz : public ArrayFile {
 public:
  explicit Npz(std::string path) : ArrayFile(std::move(path)) {}

  absl::Status List() {
    ASSIGN_OR_RETURN(const auto reader, OpenZip());
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader->Next());
      if (!more) break;
      if (!reader->is_file() || !absl::EndsWith(reader->name(), ".npy")) continue;
      const std::string& name = reader->name();
      if (!reader->problem().empty()) {
        return DataInvalid(absl::StrCat(Quotable(path_), ": ", name, ": ", reader->problem()));
      }
      std::string head(std::min<uint64_t>(reader->size(), kLargestArrayHeader), '\0');
      RETURN_IF_ERROR(reader->ReadHead(head));
      const absl::StatusOr<FlatArray> parsed = ParseNpyHeader(head);
      RETURN_IF_ERROR(NameFile(absl::StrCat(path_, ": ", name), parsed.status()));
      auto& part = parts_.emplace_back(std::make_unique<Part>());
      part->array = *parsed;
      part->array.info.name = name.substr(0, name.size() - 4);
      part->number = reader->number();
      if (part->array.offset + part->array.bytes() != reader->size()) {
        return DataInvalid(absl::StrCat(Quotable(path_), ": ", part->array.info.ToString(),
                                        " does not fill its ", Grouped(reader->size()), " bytes"));
      }
    }
    std::sort(parts_.begin(), parts_.end(),
              [](const auto& a, const auto& b) { return a->array.info.name < b->array.info.name; });
    for (const auto& part : parts_) arrays_.push_back(part->array.info);
    return absl::OkStatus();
  }

  absl::Status ReadRows(const ArrayInfo& array, int64_t begin, int64_t count,
                        std::string& bytes) const override {
    Part& part = *parts_[&array - arrays_.data()];
    MutexLock lock(part.mu);
    if (part.bytes.empty()) RETURN_IF_ERROR(Unpack(part));
    bytes =
        part.bytes.substr(part.array.offset + begin * array.row_bytes(), count * array.row_bytes());
    ToMachineOrder(part.array, bytes);
    return absl::OkStatus();
  }

 private:
  struct Part {
    FlatArray array;
    int64_t number = 0;  // In the archive.
    Mutex mu;
    std::string bytes ABSL_GUARDED_BY(mu);
  };

  absl::StatusOr<std::unique_ptr<ArchiveReader>> OpenZip() const {
    constexpr uint64_t kLargestArray = uint64_t{16} << 30;
    return ArchiveReader::Open(path_, ArchiveReader::Format::kZip, kLargestArray);
  }

  absl::Status Unpack(Part& part) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(part.mu) {
    ASSIGN_OR_RETURN(const auto reader, OpenZip());
    while (reader->number() != part.number) {
      ASSIGN_OR_RETURN(const bool more, reader->Next());
      if (!more) {
        return DataInvalid(absl::StrCat(Quotable(path_), " became shorter while it was read"));
      }
    }
    RETURN_IF_ERROR(reader->ReadAll(part.bytes));
    if (part.bytes.size() == part.array.offset + part.array.bytes()) return absl::OkStatus();
    return DataInvalid(absl::StrCat(Quotable(path_), " changed while it was read"));
  }

  std::vector<std::unique_ptr<Part>> parts_;  // One for each of arrays_.
};

absl::StatusOr<std::unique_ptr<ArrayFile>> OpenSingle(
    const std::string& path, std::string image,
    absl::StatusOr<FlatArray> (*parse)(absl::string_view head)) {
  ASSIGN_OR_RETURN(RandomAccessBytes bytes, RandomAccessBytes::Open(path, std::move(image)));
  auto file = std::make_unique<SingleArray>(path, std::move(bytes));
  RETURN_IF_ERROR(file->Parse(parse));
  return file;
}

}  // namespace

absl::Status SetShape(std::vector<int64_t> shape, ArrayInfo& array) {
  // Far above what any disk holds, far below what overflows.
  constexpr int64_t kMostBytes = int64_t{1} << 50;
  int64_t bytes = static_cast<int64_t>(SizeOf(array.type));
  if (shape.empty() || shape.size() > kMostDimensions) {
    return absl::InvalidArgumentError(
        absl::StrCat("an array of ", shape.size(), " dimensions is not supported"));
  }
  for (const int64_t side : shape) {
    if (side < 1) return absl::InvalidArgumentError("it holds no numbers");
    if (side > kMostBytes / bytes) return absl::InvalidArgumentError("it claims to be too large");
    bytes *= side;
  }
  array.shape = std::move(shape);
  return absl::OkStatus();
}

absl::StatusOr<FlatArray> ParseNpyHeader(absl::string_view head) {
  FlatArray array;
  if (!absl::StartsWith(head, "\x93NUMPY") || head.size() < 12) {
    return BadHeader("is not that of an npy file");
  }
  const int version = head[6];
  if (version < 1 || version > 3) return BadHeader(absl::StrCat("has the version ", version));
  const size_t length_bytes = version == 1 ? 2 : 4;
  size_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i) {
    length |= static_cast<size_t>(static_cast<uint8_t>(head[8 + i])) << 8 * i;
  }
  array.offset = 8 + length_bytes + length;
  if (array.offset > head.size()) return BadHeader("is cut short");
  const absl::string_view header = head.substr(8 + length_bytes, length);
  const auto descr = ValueOf(header, "descr");
  const auto fortran = ValueOf(header, "fortran_order");
  const auto shape_text = ValueOf(header, "shape");
  if (!descr || !fortran || !shape_text || shape_text->size() < 2 || shape_text->front() != '(' ||
      shape_text->back() != ')') {
    return BadHeader("lacks descr, fortran_order or shape");
  }
  RETURN_IF_ERROR(SetDescr(*descr, array));
  std::vector<int64_t> shape;
  const absl::string_view sides(shape_text->data() + 1, shape_text->size() - 2);
  for (const absl::string_view side : absl::StrSplit(sides, ',', absl::SkipWhitespace())) {
    int64_t value = 0;
    if (!absl::SimpleAtoi(side, &value)) return BadHeader("has a shape that is no list of numbers");
    shape.push_back(value);
  }
  if (*fortran != "False" && shape.size() > 1) {
    return absl::InvalidArgumentError(
        "its numbers are in Fortran order; write it again with numpy.ascontiguousarray");
  }
  RETURN_IF_ERROR(SetShape(std::move(shape), array.info));
  return array;
}

absl::StatusOr<FlatArray> ParseIdxHeader(absl::string_view head) {
  FlatArray array;
  array.big_endian = true;
  if (ArrayKindOf(head) != ArrayKind::kIdx) return BadHeader("is not that of an idx file");
  switch (head[2]) {
    case 0x08:
      array.info.type = ElementType::kUint8;
      break;
    case 0x09:
      array.info.type = ElementType::kInt8;
      break;
    case 0x0b:
      array.info.type = ElementType::kInt16;
      break;
    case 0x0c:
      array.info.type = ElementType::kInt32;
      break;
    case 0x0d:
      array.info.type = ElementType::kFloat32;
      break;
    case 0x0e:
      array.info.type = ElementType::kFloat64;
      break;
    default:
      return BadHeader("names a type of numbers that idx does not have");
  }
  const size_t dimensions = static_cast<size_t>(head[3]);
  array.offset = 4 + 4 * dimensions;
  if (array.offset > head.size()) return BadHeader("is cut short");
  std::vector<int64_t> shape;
  for (size_t i = 0; i < dimensions; ++i) {
    shape.push_back(absl::big_endian::Load32(head.data() + 4 + 4 * i));
  }
  RETURN_IF_ERROR(SetShape(std::move(shape), array.info));
  return array;
}

void ToMachineOrder(const FlatArray& array, std::string& bytes) {
  const size_t size = SizeOf(array.info.type);
  if (!array.big_endian || size == 1) return;
  for (size_t i = 0; i + size <= bytes.size(); i += size) {
    std::reverse(bytes.begin() + i, bytes.begin() + i + size);
  }
}

absl::StatusOr<RandomAccessBytes> RandomAccessBytes::Open(const std::string& path,
                                                          std::string image) {
  RandomAccessBytes bytes;
  bytes.path_ = path;
  bytes.image_ = std::move(image);
  bytes.size_ = bytes.image_.size();
  if (!bytes.image_.empty()) return bytes;
  bytes.fd_ = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!bytes.fd_.ok()) return SystemError("open", path, errno);
  struct stat st;
  if (::fstat(bytes.fd_.get(), &st) != 0) return SystemError("look at", path, errno);
  bytes.size_ = static_cast<uint64_t>(st.st_size);
  return bytes;
}

absl::Status RandomAccessBytes::Read(uint64_t offset, uint64_t size, std::string& bytes) const {
  if (image_.empty()) return ReadAt(fd_.get(), path_, offset, size, bytes);
  if (offset > size_ || size > size_ - offset) {
    return DataInvalid(absl::StrCat(Quotable(path_), " is cut short"));
  }
  bytes.assign(image_, offset, size);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ArrayFile>> OpenNpy(const std::string& path, std::string image) {
  return OpenSingle(path, std::move(image), ParseNpyHeader);
}

absl::StatusOr<std::unique_ptr<ArrayFile>> OpenIdx(const std::string& path, std::string image) {
  return OpenSingle(path, std::move(image), ParseIdxHeader);
}

absl::StatusOr<std::unique_ptr<ArrayFile>> OpenNpz(const std::string& path) {
  auto file = std::make_unique<Npz>(path);
  RETURN_IF_ERROR(file->List());
  return file;
}

}  // namespace skytrain::data
