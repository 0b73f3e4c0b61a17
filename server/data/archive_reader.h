#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/data/container.h"

namespace skytrain::data {

// Goes through an archive front to back with libarchive. Not thread-safe.
class ArchiveReader {
 public:
  enum class Format { kTar, kCompressedTar, kZip };
  // Files of more than `largest_file` bytes, unpacked, are a problem.
  static absl::StatusOr<std::unique_ptr<ArchiveReader>> Open(
      const std::string& path, Format format, uint64_t largest_file = kLargestImageFile);

  // The next header; false at the end. DATA_INVALID for a damaged or cut archive.
  absl::StatusOr<bool> Next();

  // Of the current header.
  const std::string& name() const { return name_; }
  // Why the file is not to be read: a link, a name that leads out of the archive, too large …
  const std::string& problem() const { return problem_; }
  bool is_file() const { return is_file_; }  // Or a link.
  bool is_folder() const { return is_folder_; }
  uint64_t size() const { return size_; }
  uint64_t header_position() const { return archive_read_header_position(archive_.get()); }
  int64_t number() const { return number_; }  // 0 for the first header.

  // All bytes of the current file; more than `largest_file`, or more unpacked bytes in total than
  // an honest archive of this size can hold, is DATA_INVALID.
  absl::Status ReadAll(std::string& bytes);
  // The first bytes, at most bytes.size().
  absl::Status ReadHead(std::string& bytes);

 private:
  struct Free {
    void operator()(archive* a) const { archive_read_free(a); }
  };
  ArchiveReader(std::string path, uint64_t largest_file)
      : path_(std::move(path)), largest_file_(largest_file) {}
  absl::Status Damaged(const char* what);
  absl::Status CheckTotal();
  void DescribeEntry();

  const std::string path_;
  const uint64_t largest_file_;
  std::unique_ptr<archive, Free> archive_;
  archive_entry* entry_ = nullptr;
  uint64_t largest_total_ = 0, claimed_total_ = 0;
  std::string name_, problem_;
  bool is_file_ = false, is_folder_ = false;
  uint64_t size_ = 0;
  int64_t number_ = -1;
};

}  // namespace skytrain::data
