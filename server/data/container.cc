#include "server/data/container.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/status_macros.h"
#include "server/data/array_file.h"
#include "server/data/data_errors.h"
#include "server/data/fd.h"

namespace skytrain::data {
namespace {

constexpr absl::string_view kFitsSuffixes[] = {".fits", ".fit", ".fts"};
constexpr absl::string_view kImageSuffixes[] = {".jpg", ".jpeg", ".png",  ".gif",
                                                ".bmp", ".tif",  ".tiff", ".webp"};

// Length of the suffix when it is one of `suffixes`, else 0.
size_t SuffixLength(absl::string_view path, absl::Span<const absl::string_view> suffixes) {
  for (const absl::string_view suffix : suffixes) {
    if (path.size() > suffix.size() &&
        absl::EqualsIgnoreCase(path.substr(path.size() - suffix.size()), suffix)) {
      return suffix.size();
    }
  }
  return 0;
}

size_t ImageSuffixLength(absl::string_view path) {
  return std::max(SuffixLength(path, kImageSuffixes), SuffixLength(path, kFitsSuffixes));
}

}  // namespace

void Container::Sort() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.path < b.path; });
  // A tar may hold a file twice, after `tar --append`: the later one counts.
  std::vector<Entry> unique;
  unique.reserve(entries_.size());
  for (Entry& entry : entries_) {
    if (!unique.empty() && unique.back().path == entry.path) unique.pop_back();
    unique.push_back(std::move(entry));
  }
  entries_ = std::move(unique);
  std::sort(folders_.begin(), folders_.end());
  folders_.erase(std::unique(folders_.begin(), folders_.end()), folders_.end());
}

absl::StatusOr<FileKind> KindOf(const std::string& resolved) {
  struct stat st;
  if (::stat(resolved.c_str(), &st) != 0) return SystemError("look at", resolved, errno);
  if (S_ISDIR(st.st_mode)) return FileKind::kFolder;
  if (!S_ISREG(st.st_mode)) {
    return DataInvalid(absl::StrCat(Quotable(resolved), " is neither a file nor a folder"));
  }
  const Fd fd(::open(resolved.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return SystemError("open", resolved, errno);
  std::string head(4096, '\0');
  const ssize_t got = ::pread(fd.get(), head.data(), head.size(), 0);
  if (got < 0) return SystemError("read", resolved, errno);
  head.resize(static_cast<size_t>(got));
  if (head.empty()) return DataInvalid(absl::StrCat(Quotable(resolved), " is empty"));
  if (ArrayKindOf(head) != ArrayKind::kNone) return FileKind::kArrays;
  if (absl::StartsWith(head, "\x1f\x8b") && ArrayKindOf(GunzipHead(head)) != ArrayKind::kNone) {
    return FileKind::kArrays;
  }
  if (absl::StartsWith(head, "PAR1")) return FileKind::kParquet;
  if (absl::StartsWith(head, "PK\x03\x04") || absl::StartsWith(head, "PK\x05\x06")) {
    return FileKind::kZip;
  }
  if (absl::StartsWith(head, "\x1f\x8b") || absl::StartsWith(head, "BZh") ||
      absl::StartsWith(head, absl::string_view("\xfd"
                                               "7zXZ\0",
                                               6)) ||
      absl::StartsWith(head, "\x28\xb5\x2f\xfd")) {
    return FileKind::kCompressedTar;
  }
  if (head.size() >= 512 && head.compare(257, 5, "ustar") == 0) return FileKind::kTar;
  if (HasImageMagic(head)) return FileKind::kImage;
  return head.find('\0') == std::string::npos ? FileKind::kText : FileKind::kUnknown;
}

absl::StatusOr<std::unique_ptr<Container>> OpenContainer(const std::string& resolved,
                                                         const std::vector<std::string>& roots) {
  ASSIGN_OR_RETURN(const FileKind kind, KindOf(resolved));
  switch (kind) {
    case FileKind::kFolder:
      return OpenFolder(resolved, roots);
    case FileKind::kTar:
      return OpenTar(resolved);
    case FileKind::kCompressedTar:
      return OpenStreamArchive(resolved, /*zip=*/false);
    case FileKind::kZip:
      return OpenStreamArchive(resolved, /*zip=*/true);
    case FileKind::kImage:
      return DataInvalid(absl::StrCat(Quotable(resolved),
                                      " is a single image; name a folder or archive of images"));
    case FileKind::kArrays:
    case FileKind::kParquet:
    case FileKind::kText:
    case FileKind::kUnknown:
      break;
  }
  return DataInvalid(
      absl::StrCat(Quotable(resolved), " is neither a folder nor a tar or zip archive of images"));
}

bool HasImageSuffix(absl::string_view path) { return ImageSuffixLength(path) > 0; }
bool HasFitsSuffix(absl::string_view path) { return SuffixLength(path, kFitsSuffixes) > 0; }

bool HasImageMagic(absl::string_view bytes) {
  return absl::StartsWith(bytes, "\xff\xd8\xff") || absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n") ||
         absl::StartsWith(bytes, "SIMPLE  ");
}

std::string StemOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash != absl::string_view::npos) path.remove_prefix(slash + 1);
  path.remove_suffix(ImageSuffixLength(path));
  return std::string(path);
}

absl::Status ReadAt(int fd, const std::string& path, uint64_t offset, uint64_t size,
                    std::string& bytes) {
  bytes.resize(size);
  for (uint64_t done = 0; done < size;) {
    const ssize_t got =
        ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path, errno);
    if (got == 0) return DataInvalid(absl::StrCat(Quotable(path), " became shorter while read"));
    done += static_cast<uint64_t>(got);
  }
  return absl::OkStatus();
}

}  // namespace skytrain::data
