#include "server/data/archive_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

constexpr size_t kBlockBytes = 1 << 20;
constexpr int64_t kMostEntries = 20'000'000;
// Images hardly compress. An archive that unpacks to more than this many times its size (and more
// than a floor that no small one of ours reaches) is a bomb.
constexpr uint64_t kLargestRatio = 100, kTotalFloor = uint64_t{1} << 30;

bool LeadsOut(const std::string& name) {
  if (absl::StartsWith(name, "/")) return true;
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part == "..") return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ArchiveReader>> ArchiveReader::Open(const std::string& path,
                                                                   Format format,
                                                                   uint64_t largest_file) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) return SystemError("look at", path, errno);
  std::unique_ptr<ArchiveReader> reader(new ArchiveReader(path, largest_file));
  reader->largest_total_ = std::max(kTotalFloor, static_cast<uint64_t>(st.st_size) * kLargestRatio);
  reader->archive_.reset(archive_read_new());
  archive* a = reader->archive_.get();
  if (a == nullptr) return absl::ResourceExhaustedError("out of memory");
  if (format == Format::kZip) {
    archive_read_support_format_zip(a);
  } else {
    archive_read_support_format_tar(a);
  }
  if (format == Format::kCompressedTar) {
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
  }
  if (archive_read_open_filename(a, path.c_str(), kBlockBytes) != ARCHIVE_OK) {
    return reader->Damaged("cannot be opened as an archive");
  }
  return reader;
}

absl::Status ArchiveReader::Damaged(const char* what) {
  const char* detail = archive_error_string(archive_.get());
  return DataInvalid(absl::StrCat(Quotable(path_), " ", what,
                                  name_.empty() ? "" : absl::StrCat(" after ", Quotable(name_)),
                                  " (", detail != nullptr ? detail : "no details", ")"));
}

absl::StatusOr<bool> ArchiveReader::Next() {
  const int result = archive_read_next_header(archive_.get(), &entry_);
  if (result == ARCHIVE_EOF) {
    RETURN_IF_ERROR(CheckTotal());
    return false;
  }
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Damaged("is damaged or cut short");
  if (++number_ >= kMostEntries) {
    return DataInvalid(
        absl::StrCat(Quotable(path_), " holds more than ", Grouped(kMostEntries), " entries"));
  }
  DescribeEntry();
  // What headers claim is refused before any of it is unpacked, even to be skipped.
  claimed_total_ += size_;
  RETURN_IF_ERROR(CheckTotal());
  return true;
}

void ArchiveReader::DescribeEntry() {
  const char* name = archive_entry_pathname(entry_);
  if (name == nullptr) name = archive_entry_pathname_utf8(entry_);
  name_ = name != nullptr ? name : absl::StrCat("entry ", number_);
  size_t leading = 0;
  while (name_.compare(leading, 2, "./") == 0) leading += 2;
  name_.erase(0, leading);
  if (name_.empty()) name_ = absl::StrCat("entry ", number_);
  size_ = static_cast<uint64_t>(std::max<int64_t>(archive_entry_size(entry_), 0));
  const bool link =
      archive_entry_hardlink(entry_) != nullptr || archive_entry_filetype(entry_) == AE_IFLNK;
  is_folder_ = archive_entry_filetype(entry_) == AE_IFDIR;
  is_file_ = link || archive_entry_filetype(entry_) == AE_IFREG;
  problem_.clear();
  if (name_.size() > kLongestName) {
    problem_ = "its name is too long";
    // A million of such names would fill the memory. The end says what it is.
    name_.erase(kLongestName / 2, name_.size() - kLongestName);
  } else if (LeadsOut(name_)) {
    problem_ = "its name leads out of the archive";
  } else if (link) {
    problem_ = "it is a link";
  } else if (!IsValidUtf8(name_)) {
    problem_ = "its name is not UTF-8";
  } else if (size_ > largest_file_) {
    problem_ = absl::StrCat("larger than ", Grouped(static_cast<int64_t>(largest_file_)), " bytes");
  } else if (archive_entry_is_encrypted(entry_)) {
    problem_ = "it is encrypted";
  } else if (archive_entry_sparse_count(entry_) > 0) {
    problem_ = "it is a sparse file";
  }
  while (is_folder_ && absl::EndsWith(name_, "/")) name_.pop_back();
}

absl::Status ArchiveReader::CheckTotal() {
  const int64_t unpacked = archive_filter_bytes(archive_.get(), 0);
  if (claimed_total_ <= largest_total_ &&
      (unpacked <= 0 || static_cast<uint64_t>(unpacked) <= largest_total_)) {
    return absl::OkStatus();
  }
  return DataInvalid(absl::StrCat(Quotable(path_), " unpacks to more than ",
                                  Grouped(static_cast<int64_t>(kLargestRatio)),
                                  " times its size: not an archive of images"));
}

absl::Status ArchiveReader::ReadAll(std::string& bytes) {
  // The size in a header is only a claim: grow with what really comes.
  bytes.clear();
  const void* block;
  size_t size;
  la_int64_t offset;
  while (true) {
    const int result = archive_read_data_block(archive_.get(), &block, &size, &offset);
    if (result == ARCHIVE_EOF) return CheckTotal();
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Damaged("is damaged or cut short");
    if (static_cast<uint64_t>(offset) != bytes.size()) return Damaged("holds a file with gaps");
    if (bytes.size() + size > largest_file_) {
      return DataInvalid(absl::StrCat(Quotable(path_), ": ", Quotable(name_),
                                      " unpacks to more than ",
                                      Grouped(static_cast<int64_t>(largest_file_)), " bytes"));
    }
    bytes.append(static_cast<const char*>(block), size);
  }
}

absl::Status ArchiveReader::ReadHead(std::string& bytes) {
  const la_ssize_t got = archive_read_data(archive_.get(), bytes.data(), bytes.size());
  if (got < 0) return Damaged("is damaged or cut short");
  bytes.resize(static_cast<size_t>(got));
  return absl::OkStatus();
}

}  // namespace skytrain::data
