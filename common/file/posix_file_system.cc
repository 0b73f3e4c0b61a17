#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/file/file_system.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(std::string path, int fd, uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}

  absl::Status Append(absl::string_view data) override {
    while (!data.empty()) {
      const ssize_t written = write(fd_.get(), data.data(), data.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return PosixError(errno, "write", path_);
      }
      size_ += static_cast<uint64_t>(written);
      data.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (fdatasync(fd_.get()) != 0) return PosixError(errno, "sync", path_);
    return absl::OkStatus();
  }

  absl::Status Close() override {
    const int fd = fd_.release();
    if (fd >= 0 && close(fd) != 0 && errno != EINTR) return PosixError(errno, "close", path_);
    return absl::OkStatus();
  }

  uint64_t size() const override { return size_; }

 private:
  const std::string path_;
  FileDescriptor fd_;
  uint64_t size_;
};

class PosixFileSystem : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> CreateExclusive(const std::string& path) override {
    return OpenForWriting(path, O_CREAT | O_EXCL, "create");
  }
  absl::StatusOr<std::unique_ptr<WritableFile>> OpenAppend(const std::string& path) override {
    return OpenForWriting(path, O_CREAT, "open");
  }

  absl::Status Reserve(const std::string& path, uint64_t bytes) override {
    FileDescriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (fd.get() < 0) return PosixError(errno, "create", path);
    const int error = posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes));
    if (error != 0) return PosixError(error, "reserve", path);
    if (fsync(fd.get()) != 0) return PosixError(errno, "sync", path);
    return absl::OkStatus();
  }

  absl::Status Overwrite(const std::string& path, absl::string_view data) override {
    FileDescriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (fd.get() < 0) return PosixError(errno, "open", path);
    for (size_t done = 0; done < data.size();) {
      const ssize_t written =
          pwrite(fd.get(), data.data() + done, data.size() - done, static_cast<off_t>(done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return PosixError(errno, "write", path);
      done += static_cast<size_t>(written);
    }
    if (fsync(fd.get()) != 0) return PosixError(errno, "sync", path);
    return absl::OkStatus();
  }

  absl::Status Link(const std::string& from, const std::string& to) override {
    if (link(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    const absl::Status error = PosixError(errno, "link", absl::StrCat(from, " to ", to));
    const bool cannot = errno == EXDEV || errno == EPERM || errno == ENOTSUP || errno == EMLINK;
    return cannot ? absl::FailedPreconditionError(error.message()) : error;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return PosixError(errno, "rename", absl::StrCat(from, " to ", to));
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) == 0) return absl::OkStatus();
    return PosixError(errno, "remove", path);
  }

  absl::Status CreateDir(const std::string& path) override {
    if (mkdir(path.c_str(), 0777) == 0) return absl::OkStatus();
    return PosixError(errno, "create folder", path);
  }

  absl::Status RemoveTree(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return PosixError(error.value(), "remove", path);
    return absl::OkStatus();
  }

  absl::Status SyncDir(const std::string& path) override {
    FileDescriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return PosixError(errno, "open folder", path);
    if (fsync(fd.get()) != 0) return PosixError(errno, "sync folder", path);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes) override {
    FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return PosixError(errno, "open", path);
    return ReadAndClose(fd.release(), path, max_bytes);
  }

  absl::StatusOr<std::vector<std::string>> ListDir(const std::string& path) override {
    std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()), &closedir);
    if (dir == nullptr) return PosixError(errno, "list", path);
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      const dirent* entry = readdir(dir.get());
      if (entry == nullptr) break;
      const absl::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return PosixError(errno, "list", path);
    std::sort(names.begin(), names.end());
    return names;
  }

  bool Exists(const std::string& path) override { return access(path.c_str(), F_OK) == 0; }

 private:
  static absl::StatusOr<std::unique_ptr<WritableFile>> OpenForWriting(const std::string& path,
                                                                      int flags,
                                                                      absl::string_view verb) {
    FileDescriptor fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0666));
    if (fd.get() < 0) return PosixError(errno, verb, path);
    struct stat info;
    if (fstat(fd.get(), &info) != 0) return PosixError(errno, "stat", path);
    return std::make_unique<PosixWritableFile>(path, fd.release(),
                                               static_cast<uint64_t>(info.st_size));
  }
};

}  // namespace

absl::StatusOr<int> FileSystem::Open(const std::string& path, Access access) {
  const int flags = access == Access::kRead ? O_RDONLY : O_RDWR;
  // O_NONBLOCK: a FIFO is opened, and then refused, without waiting for who writes to it.
  FileDescriptor fd(open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return PosixError(errno, "open", path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return PosixError(errno, "stat", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
  }
  return fd.release();
}

absl::StatusOr<FileInfo> FileSystem::Info(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return PosixError(errno, "look at", path);
  FileInfo result;
  if (S_ISREG(info.st_mode)) result.kind = FileInfo::Kind::kFile;
  if (S_ISDIR(info.st_mode)) result.kind = FileInfo::Kind::kFolder;
  result.bytes = static_cast<uint64_t>(info.st_size);
  result.disk_bytes = static_cast<uint64_t>(info.st_blocks) * 512;
  result.modified = absl::TimeFromTimespec(info.st_mtim);
  result.uid = info.st_uid;
  return result;
}

absl::Status FileSystem::Truncate(const std::string& path, uint64_t bytes) {
  ASSIGN_OR_RETURN(const int opened, Open(path, Access::kReadWrite));
  const FileDescriptor fd(opened);
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0) return absl::OkStatus();
  return PosixError(errno, "cut", path);
}

absl::StatusOr<std::string> ReadAndClose(int opened, const std::string& path, uint64_t max_bytes) {
  const FileDescriptor fd(opened);
  std::string content;
  constexpr size_t kChunk = 1 << 16;
  size_t filled = 0;
  while (true) {
    content.resize(filled + kChunk);
    const ssize_t got = read(fd.get(), content.data() + filled, kChunk);
    if (got < 0) {
      if (errno == EINTR) continue;
      return PosixError(errno, "read", path);
    }
    filled += static_cast<size_t>(got);
    if (filled > max_bytes) {
      return absl::OutOfRangeError(
          absl::StrCat(path, " is larger than the ", max_bytes, " bytes that are allowed here"));
    }
    if (got == 0) break;
  }
  content.resize(filled);
  return content;
}

FileSystem& FileSystem::Posix() {
  static PosixFileSystem* const file_system = new PosixFileSystem;
  return *file_system;
}

}  // namespace skytrain
