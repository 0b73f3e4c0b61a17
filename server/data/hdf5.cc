// HDF5, through its C library. The serial library has state of its own, so one lock serves all
// files: rows are unpacked one call at a time, what is done with them runs in parallel.
#include <hdf5.h>

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "server/data/array_file.h"
#include "server/data/data_errors.h"
#include "server/data/flat_array.h"

namespace skytrain::data {
namespace {

Mutex& LibraryMutex() {
  static Mutex* mutex = new Mutex;
  return *mutex;
}

// Owns an identifier of the library.
class Id {
 public:
  Id(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Id(const Id&) = delete;
  Id& operator=(const Id&) = delete;
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  ~Id() {
    if (id_ >= 0) close_(id_);
  }
  bool ok() const { return id_ >= 0; }
  hid_t get() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

// The innermost message of the library's error stack.
std::string LastError() {
  std::string text = "no details";
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned n, const H5E_error2_t* error, void* out) -> herr_t {
        if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
        return 0;
      },
      &text);
  return text;
}

absl::StatusOr<ElementType> ElementTypeOf(hid_t type) {
  const size_t size = H5Tget_size(type);
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_INTEGER) {
    const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
    switch (size) {
      case 1:
        return is_signed ? ElementType::kInt8 : ElementType::kUint8;
      case 2:
        return is_signed ? ElementType::kInt16 : ElementType::kUint16;
      case 4:
        return is_signed ? ElementType::kInt32 : ElementType::kUint32;
      case 8:
        return is_signed ? ElementType::kInt64 : ElementType::kUint64;
      default:
        break;
    }
  }
  if (kind == H5T_FLOAT && size == 4) return ElementType::kFloat32;
  if (kind == H5T_FLOAT && size == 8) return ElementType::kFloat64;
  return absl::InvalidArgumentError("not an array of plain numbers");
}

hid_t MemoryType(ElementType type) {
  switch (type) {
    case ElementType::kUint8:
      return H5T_NATIVE_UINT8;
    case ElementType::kInt8:
      return H5T_NATIVE_INT8;
    case ElementType::kUint16:
      return H5T_NATIVE_UINT16;
    case ElementType::kInt16:
      return H5T_NATIVE_INT16;
    case ElementType::kUint32:
      return H5T_NATIVE_UINT32;
    case ElementType::kInt32:
      return H5T_NATIVE_INT32;
    case ElementType::kUint64:
      return H5T_NATIVE_UINT64;
    case ElementType::kInt64:
      return H5T_NATIVE_INT64;
    case ElementType::kFloat32:
      return H5T_NATIVE_FLOAT;
    case ElementType::kFloat64:
      return H5T_NATIVE_DOUBLE;
  }
  return H5T_NATIVE_UINT8;
}

class Hdf5 : public ArrayFile {
 public:
  Hdf5(std::string path, std::string image)
      : ArrayFile(std::move(path)), image_(std::move(image)) {}

  ~Hdf5() override {
    MutexLock lock(LibraryMutex());
    if (file_ >= 0) H5Fclose(file_);
  }

  absl::Status Open() {
    MutexLock lock(LibraryMutex());
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // Else it writes to stderr.
    const Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    if (!image_.empty()) {
      // From memory, without a copy to a disk.
      constexpr size_t kGrowth = 1 << 20;
      H5Pset_fapl_core(access.get(), kGrowth, /*backing_store=*/false);
      H5Pset_file_image(access.get(), image_.data(), image_.size());
    }
    // The library refuses an image under the name of a file, and takes equal names for one file.
    const std::string name = image_.empty() ? path_ : absl::StrCat(path_, "/unpacked");
    file_ = H5Fopen(name.c_str(), H5F_ACC_RDONLY, access.get());
    image_ = std::string();  // The library has made a copy.
    if (file_ < 0) return Damaged("cannot be opened as HDF5");
    H5G_info_t group;
    if (H5Gget_info(file_, &group) < 0) return Damaged("has no list of arrays");
    for (hsize_t i = 0; i < group.nlinks; ++i) RETURN_IF_ERROR(List(i));
    std::sort(arrays_.begin(), arrays_.end(),
              [](const ArrayInfo& a, const ArrayInfo& b) { return a.name < b.name; });
    return absl::OkStatus();
  }

  absl::Status ReadRows(const ArrayInfo& array, int64_t begin, int64_t count,
                        std::string& bytes) const override {
    bytes.resize(array.row_bytes() * static_cast<uint64_t>(count));
    MutexLock lock(LibraryMutex());
    const Id dataset(H5Dopen2(file_, array.name.c_str(), H5P_DEFAULT), H5Dclose);
    if (!dataset.ok()) return Damaged(array.ToString());
    std::vector<hsize_t> start(array.shape.size(), 0), size(array.shape.begin(), array.shape.end());
    start[0] = static_cast<hsize_t>(begin);
    size[0] = static_cast<hsize_t>(count);
    const Id in_file(H5Dget_space(dataset.get()), H5Sclose);
    const Id in_memory(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr),
                       H5Sclose);
    if (H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(),
                            nullptr) < 0 ||
        H5Dread(dataset.get(), MemoryType(array.type), in_memory.get(), in_file.get(), H5P_DEFAULT,
                bytes.data()) < 0) {
      return Damaged(absl::StrCat(array.ToString(), ", rows ", begin, " to ", begin + count - 1));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Damaged(absl::string_view what) const {
    return DataInvalid(absl::StrCat(Quotable(path_), ": ", what, ": ", Quotable(LastError())));
  }

  // Of link `i` of the root group: arrays of numbers are kept, anything else is passed over. Links
  // to other files are not followed.
  absl::Status List(hsize_t i) {
    char name[256];
    const ssize_t length = H5Lget_name_by_idx(file_, ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                              sizeof(name), H5P_DEFAULT);
    if (length <= 0 || length >= static_cast<ssize_t>(sizeof(name))) {
      return Damaged("has an array without a proper name");
    }
    H5L_info_t link;
    if (H5Lget_info(file_, name, &link, H5P_DEFAULT) < 0) return Damaged(name);
    if (link.type != H5L_TYPE_HARD) return absl::OkStatus();
    const Id object(H5Oopen(file_, name, H5P_DEFAULT), H5Oclose);
    if (!object.ok()) return Damaged(name);
    if (H5Iget_type(object.get()) != H5I_DATASET) return absl::OkStatus();
    // An external file could be any file that we may read.
    const Id creation(H5Dget_create_plist(object.get()), H5Pclose);
    if (H5Pget_external_count(creation.get()) != 0 ||
        H5Pget_layout(creation.get()) == H5D_VIRTUAL) {
      return DataInvalid(absl::StrCat(Quotable(path_), ": ", Quotable(name),
                                      " lies in another file, which is not supported"));
    }
    const Id type(H5Dget_type(object.get()), H5Tclose);
    const Id space(H5Dget_space(object.get()), H5Sclose);
    const absl::StatusOr<ElementType> element = ElementTypeOf(type.get());
    const int rank = H5Sget_simple_extent_ndims(space.get());
    if (!element.ok() || rank < 1) return absl::OkStatus();
    std::vector<hsize_t> sides(rank);
    H5Sget_simple_extent_dims(space.get(), sides.data(), nullptr);
    ArrayInfo array;
    array.name = name;
    array.type = *element;
    if (const absl::Status shape = SetShape({sides.begin(), sides.end()}, array); !shape.ok()) {
      return DataInvalid(
          absl::StrCat(Quotable(path_), ": ", Quotable(name), ": ", shape.message()));
    }
    RETURN_IF_ERROR(CheckStorage(object.get(), creation.get(), array));
    arrays_.push_back(std::move(array));
    return absl::OkStatus();
  }

  // A header may claim an array of any size and store nothing of it.
  absl::Status CheckStorage(hid_t dataset, hid_t creation, const ArrayInfo& array) const {
    constexpr uint64_t kLargestRatio = 1100;  // Deflate reaches 1032.
    constexpr uint64_t kLargestChunk = 256 << 20;
    const uint64_t claimed = array.row_bytes() * static_cast<uint64_t>(array.rows());
    if (claimed / kLargestRatio > H5Dget_storage_size(dataset)) {
      return DataInvalid(absl::StrCat(Quotable(path_), ": ", array.ToString(), " is stored in ",
                                      Grouped(H5Dget_storage_size(dataset)),
                                      " bytes: too few for that many numbers"));
    }
    if (H5Pget_layout(creation) != H5D_CHUNKED) return absl::OkStatus();
    std::vector<hsize_t> sides(array.shape.size());
    H5Pget_chunk(creation, static_cast<int>(sides.size()), sides.data());
    uint64_t chunk = SizeOf(array.type);
    for (const hsize_t side : sides) {
      if (side > kLargestChunk / chunk) {
        return DataInvalid(absl::StrCat(Quotable(path_), ": ", array.ToString(),
                                        ": its chunks are larger than ", Grouped(kLargestChunk),
                                        " bytes"));
      }
      chunk *= std::max<hsize_t>(side, 1);
    }
    return absl::OkStatus();
  }

  std::string image_;
  hid_t file_ = -1;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ArrayFile>> OpenHdf5(const std::string& path, std::string image) {
  auto file = std::make_unique<Hdf5>(path, std::move(image));
  RETURN_IF_ERROR(file->Open());
  return file;
}

}  // namespace skytrain::data
