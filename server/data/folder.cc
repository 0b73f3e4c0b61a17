// Images on disk: a folder of them, or a single one.
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/container.h"
#include "server/data/data_errors.h"
#include "server/data/fd.h"
#include "server/data/parallel.h"
#include "server/data/paths.h"

namespace skytrain::data {
namespace {

absl::Status ReadFile(const std::string& path, uint64_t size, std::string& bytes) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return SystemError("open", path, errno);
  return ReadAt(fd.get(), path, 0, size, bytes);
}

class Folder : public Container {
 public:
  explicit Folder(std::string path) : Container(std::move(path)) {}

  absl::Status List(const std::vector<std::string>& roots) {
    ASSIGN_OR_RETURN(WalkedFolder walked, WalkFolder(path_, roots));
    folders_ = std::move(walked.folders);
    for (WalkedFile& file : walked.files) {
      Entry entry{std::move(file.path), file.size, 0, ""};
      if (!HasImageSuffix(entry.path) && !IsImage(entry)) continue;
      if (entry.size > kLargestImageFile) entry.problem = "too large for an image";
      if (!IsValidUtf8(entry.path)) entry.problem = "its name is not UTF-8";
      entries_.push_back(std::move(entry));
    }
    Sort();
    return absl::OkStatus();
  }

  absl::Status Read(const std::vector<size_t>& wanted, int threads,
                    const Sink& sink) const override {
    std::atomic<bool> stop{false};
    return ParallelFor(wanted.size(), threads, stop, [&](size_t i) -> absl::Status {
      thread_local std::string bytes;
      const Entry& entry = entries_[wanted[i]];
      RETURN_IF_ERROR(ReadFile(absl::StrCat(path_, "/", entry.path), entry.size, bytes));
      if (!sink(wanted[i], bytes)) stop.store(true);
      return absl::OkStatus();
    });
  }

 private:
  bool IsImage(const Entry& entry) const {
    const Fd fd(::open(absl::StrCat(path_, "/", entry.path).c_str(), O_RDONLY | O_CLOEXEC));
    char head[8];
    return fd.ok() && ::pread(fd.get(), head, sizeof(head), 0) == sizeof(head) &&
           HasImageMagic(absl::string_view(head, sizeof(head)));
  }
};

}  // namespace

SingleImage::SingleImage(const std::string& path) : Container(path) {
  struct stat info = {};
  const bool known = ::stat(path.c_str(), &info) == 0;  // Read says what is wrong with it.
  Entry entry{path.substr(path.rfind('/') + 1), known ? static_cast<uint64_t>(info.st_size) : 0, 0,
              ""};
  if (entry.size > kLargestImageFile) entry.problem = "too large for an image";
  if (!IsValidUtf8(entry.path)) entry.problem = "its name is not UTF-8";
  entries_.push_back(std::move(entry));
}

absl::Status SingleImage::Read(const std::vector<size_t>& wanted, int /*threads*/,
                               const Sink& sink) const {
  if (wanted.empty()) return absl::OkStatus();
  std::string bytes;
  RETURN_IF_ERROR(ReadFile(path_, entries_[0].size, bytes));
  sink(0, bytes);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Container>> OpenFolder(const std::string& path,
                                                      const std::vector<std::string>& roots) {
  auto folder = std::make_unique<Folder>(path);
  RETURN_IF_ERROR(folder->List(roots));
  return folder;
}

}  // namespace skytrain::data
