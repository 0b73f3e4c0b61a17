// A plain tar: listed by libarchive, then read by offset from many threads.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/archive_reader.h"
#include "server/data/container.h"
#include "server/data/data_errors.h"
#include "server/data/fd.h"
#include "server/data/parallel.h"
#include "server/data/paths.h"

namespace skytrain::data {
namespace {

constexpr uint64_t kTarBlock = 512;

uint64_t RoundUp(uint64_t size) { return (size + kTarBlock - 1) / kTarBlock * kTarBlock; }

// The octal number in a header's size field; kLargestImageFile + 1 for what is none.
uint64_t HeaderSize(const std::string& header) {
  uint64_t size = 0;
  for (size_t i = 124; i < 136; ++i) {
    const char c = header[i];
    if (c == ' ' || c == '\0') {
      if (size == 0) continue;
      break;
    }
    if (c < '0' || c > '7') return kLargestImageFile + 1;
    size = size * 8 + static_cast<uint64_t>(c - '0');
  }
  return size;
}

class Tar : public Container {
 public:
  explicit Tar(std::string path) : Container(std::move(path)) {}

  absl::Status List() {
    fd_ = Fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat st;
    if (!fd_.ok() || ::fstat(fd_.get(), &st) != 0) return SystemError("open", path_, errno);
    file_size_ = static_cast<uint64_t>(st.st_size);
    ASSIGN_OR_RETURN(const auto reader, ArchiveReader::Open(path_, ArchiveReader::Format::kTar));
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader->Next());
      if (!more) break;
      RETURN_IF_ERROR(Add(*reader));
    }
    // A tar ends with two blocks of zeros. Some writers leave them out, and one that is cut between
    // two files has none: nothing else would tell.
    if (last_end_ + kTarBlock > file_size_) {
      warning_ = "it has no end mark: is it whole?";
    }
    Sort();
    return absl::OkStatus();
  }

  absl::Status Read(const std::vector<size_t>& wanted, int threads,
                    const Sink& sink) const override {
    std::vector<size_t> in_file_order = wanted;
    std::sort(in_file_order.begin(), in_file_order.end(),
              [this](size_t a, size_t b) { return entries_[a].offset < entries_[b].offset; });
    std::atomic<bool> stop{false};
    return ParallelFor(in_file_order.size(), threads, stop, [&](size_t i) -> absl::Status {
      thread_local std::string bytes;
      const Entry& entry = entries_[in_file_order[i]];
      RETURN_IF_ERROR(ReadAt(fd_.get(), path_, entry.offset, entry.size, bytes));
      if (!sink(in_file_order[i], bytes)) stop.store(true);
      return absl::OkStatus();
    });
  }

 private:
  absl::Status Add(const ArchiveReader& reader) {
    const bool readable = reader.problem().empty();
    if (reader.is_folder()) {
      if (readable && !IsHiddenPath(reader.name())) folders_.push_back(reader.name());
      return absl::OkStatus();
    }
    if (!reader.is_file()) return absl::OkStatus();
    Entry entry{reader.name(), reader.size(), 0, reader.problem()};
    if (readable) {
      ASSIGN_OR_RETURN(entry.offset, DataOffset(reader));
      last_end_ = std::max(last_end_, entry.offset + RoundUp(entry.size));
      if (entry.offset + entry.size > file_size_) {
        return DataInvalid(absl::StrCat(Quotable(path_), " is cut short in ", Quotable(entry.path),
                                        ": copy it again"));
      }
      if (IsHiddenPath(entry.path)) return absl::OkStatus();
      if (IsLabelFile(entry.path)) ++label_files_;
    }
    if (HasImageSuffix(entry.path) || (readable && IsImage(entry))) {
      entries_.push_back(std::move(entry));
    }
    return absl::OkStatus();
  }

  // libarchive tells where the first header of a file begins; long names and pax attributes are
  // entries of their own before the file's.
  absl::StatusOr<uint64_t> DataOffset(const ArchiveReader& reader) const {
    uint64_t position = reader.header_position();
    std::string header;
    for (int i = 0; i < 8; ++i) {
      RETURN_IF_ERROR(ReadAt(fd_.get(), path_, position, kTarBlock, header));
      const char type = header[156];
      if (std::strchr("xgLK", type) == nullptr || type == '\0') return position + kTarBlock;
      const uint64_t size = HeaderSize(header);
      if (size > kLargestImageFile) break;
      position += kTarBlock + RoundUp(size);
    }
    return DataInvalid(absl::StrCat(Quotable(path_), ": the tar header of ",
                                    Quotable(reader.name()), " is not understood"));
  }

  bool IsImage(const Entry& entry) const {
    std::string head;
    return entry.size >= 8 && ReadAt(fd_.get(), path_, entry.offset, 8, head).ok() &&
           HasImageMagic(head);
  }

  Fd fd_;
  uint64_t file_size_ = 0, last_end_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Container>> OpenTar(const std::string& path) {
  auto tar = std::make_unique<Tar>(path);
  RETURN_IF_ERROR(tar->List());
  return tar;
}

}  // namespace skytrain::data
