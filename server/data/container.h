#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/data/image.h"

namespace skytrain::data {

// One file of a folder or archive that is an image or is named like one.
struct Entry {
  std::string path;     // As in the folder or archive, with slashes.
  uint64_t size = 0;    // In bytes.
  uint64_t offset = 0;  // Tar: where its bytes begin. Other archives: its number in the archive.
  std::string problem;  // Why it will not be read; empty: it will.
};

// A folder or an archive, recognised by what it is, not by its name. Listed once; its entries are
// then read from many threads. Untrusted: nothing is ever written, names are bounded and must be
// UTF-8, links and names that lead out of the archive are not followed, and what it unpacks to is
// bounded. Each kind is one class: folder, plain tar (read by offset, in parallel) and other
// archives (read front to back by one thread that feeds the others).
class Container {
 public:
  virtual ~Container() = default;

  const std::string& path() const { return path_; }
  const std::vector<Entry>& entries() const { return entries_; }        // Sorted by path.
  const std::vector<std::string>& folders() const { return folders_; }  // Also empty ones.
  const std::string& warning() const { return warning_; }  // About the whole; empty: none.
  // How many files are named as labels of a WebDataset.
  int64_t label_files() const { return label_files_; }
  // Of every image, where it is known without reading any.
  virtual std::optional<ImageSize> image_size() const { return std::nullopt; }

  // Called with an entry's number and its bytes, which are gone after the call, from up to
  // `threads` threads at once. False ends the reading.
  using Sink = std::function<bool(size_t entry, absl::string_view bytes)>;
  // Reads entries()[i] for each i in `wanted`, in whatever order is fastest.
  virtual absl::Status Read(const std::vector<size_t>& wanted, int threads,
                            const Sink& sink) const = 0;

 protected:
  explicit Container(std::string path) : path_(std::move(path)) {}
  void Sort();

  std::string path_;
  std::vector<Entry> entries_;
  std::vector<std::string> folders_;
  std::string warning_;
  int64_t label_files_ = 0;
};

// `resolved`: from ResolvePath. DATA_INVALID for anything but a folder or an archive, and for an
// archive that is cut short.
absl::StatusOr<std::unique_ptr<Container>> OpenContainer(const std::string& resolved,
                                                         const std::vector<std::string>& roots);

enum class FileKind {
  kFolder,
  kTar,
  kCompressedTar,
  kZip,
  kArrays,
  kParquet,
  kImage,
  kText,
  kUnknown
};
absl::StatusOr<FileKind> KindOf(const std::string& resolved);

constexpr uint64_t kLargestImageFile = 256u << 20;
constexpr size_t kLongestName = 4096;

// ".jpg", ".jpeg", ".png" and formats that people expect to work (".gif", ".tif", …), whatever the
// case: a file so named is a sample, and an error when it cannot be read.
bool HasImageSuffix(absl::string_view path);
bool HasImageMagic(absl::string_view bytes);  // JPEG, PNG or FITS, by 8 bytes.
bool HasFitsSuffix(absl::string_view path);   // ".fits", ".fit", ".fts".
// ".cls", ".json": in a WebDataset, what is known of the image beside it.
bool IsLabelFile(absl::string_view path);
// The file name without folder and, where it is one of an image, suffix.
std::string StemOf(absl::string_view path);

// All `size` bytes at `offset`. DATA_INVALID when the file is shorter.
absl::Status ReadAt(int fd, const std::string& path, uint64_t offset, uint64_t size,
                    std::string& bytes);

// One image file by itself. Its entry is named as the file, without folders.
class SingleImage final : public Container {
 public:
  explicit SingleImage(const std::string& path);
  absl::Status Read(const std::vector<size_t>& wanted, int threads,
                    const Sink& sink) const override;
};

// The kinds. `path` is resolved.
absl::StatusOr<std::unique_ptr<Container>> OpenFolder(const std::string& path,
                                                      const std::vector<std::string>& roots);
absl::StatusOr<std::unique_ptr<Container>> OpenTar(const std::string& path);
absl::StatusOr<std::unique_ptr<Container>> OpenStreamArchive(const std::string& path, bool zip);

}  // namespace skytrain::data
