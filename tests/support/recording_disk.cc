#include "tests/support/recording_disk.h"

#include <utility>

#include "common/status_macros.h"

namespace skytrain {
namespace {

using Kind = DiskOperation::Kind;

// The sync that this thread has begun through SQLite.
thread_local uint64_t sync_of_thread = 0;

}  // namespace

// Recorded by name: nobody renames a file that he still writes.
class RecordingFileSystem::File : public WritableFile {
 public:
  File(RecordingFileSystem& fs, std::string path, std::unique_ptr<WritableFile> real)
      : fs_(fs), path_(std::move(path)), real_(std::move(real)) {}

  absl::Status Append(absl::string_view data) override {
    const auto offset = static_cast<int64_t>(real_->size());
    return fs_.log_.Do({Kind::kWrite, path_, "", offset, std::string(data)},
                       [&] { return real_->Append(data); });
  }
  absl::Status Sync() override {
    fs_.RecordSync(path_, false);
    return absl::OkStatus();
  }
  absl::Status Close() override { return real_->Close(); }
  uint64_t size() const override { return real_->size(); }

 private:
  RecordingFileSystem& fs_;
  const std::string path_;
  const std::unique_ptr<WritableFile> real_;
};

absl::StatusOr<std::unique_ptr<WritableFile>> RecordingFileSystem::CreateExclusive(
    const std::string& path) {
  std::unique_ptr<WritableFile> file;
  RETURN_IF_ERROR(log_.Do({Kind::kCreate, path}, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(file, Posix().CreateExclusive(path));
    return absl::OkStatus();
  }));
  return std::make_unique<File>(*this, path, std::move(file));
}

absl::StatusOr<std::unique_ptr<WritableFile>> RecordingFileSystem::OpenAppend(
    const std::string& path) {
  std::unique_ptr<WritableFile> file;
  RETURN_IF_ERROR(log_.Do({Kind::kCreate, path}, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(file, Posix().OpenAppend(path));
    return absl::OkStatus();
  }));
  return std::make_unique<File>(*this, path, std::move(file));
}

absl::Status RecordingFileSystem::Reserve(const std::string& path, uint64_t bytes) {
  RETURN_IF_ERROR(log_.Do({Kind::kCreate, path}, [&] { return Posix().Reserve(path, bytes); }));
  log_.Add({Kind::kTruncate, path, "", static_cast<int64_t>(bytes)});
  RecordSync(path, false);
  return absl::OkStatus();
}

absl::Status RecordingFileSystem::Overwrite(const std::string& path, absl::string_view data) {
  RETURN_IF_ERROR(log_.Do({Kind::kCreate, path}, [&] { return Posix().Overwrite(path, data); }));
  log_.Add({Kind::kWrite, path, "", 0, std::string(data)});
  RecordSync(path, false);
  return absl::OkStatus();
}

absl::Status RecordingFileSystem::Link(const std::string& from, const std::string& to) {
  return log_.Do({Kind::kLink, from, to}, [&] { return Posix().Link(from, to); });
}

absl::Status RecordingFileSystem::Rename(const std::string& from, const std::string& to) {
  return log_.Do({Kind::kRename, from, to}, [&] { return Posix().Rename(from, to); });
}

absl::Status RecordingFileSystem::Remove(const std::string& path) {
  return log_.Do({Kind::kRemove, path}, [&] { return Posix().Remove(path); });
}

absl::Status RecordingFileSystem::CreateDir(const std::string& path) {
  return log_.Do({Kind::kCreateDir, path}, [&] { return Posix().CreateDir(path); });
}

// File by file, as the disk sees it: a power loss may leave half of it.
absl::Status RecordingFileSystem::RemoveTree(const std::string& path) {
  if (const auto names = Posix().ListDir(path); names.ok()) {
    for (const std::string& name : *names) RETURN_IF_ERROR(RemoveTree(path + "/" + name));
  }
  return log_.Do({Kind::kRemove, path}, [&] { return Posix().RemoveTree(path); });
}

absl::Status RecordingFileSystem::SyncDir(const std::string& path) {
  RecordSync(path, true);
  return absl::OkStatus();
}

absl::StatusOr<std::string> RecordingFileSystem::ReadFile(const std::string& path,
                                                          uint64_t max_bytes) {
  return Posix().ReadFile(path, max_bytes);
}

absl::StatusOr<std::vector<std::string>> RecordingFileSystem::ListDir(const std::string& path) {
  return Posix().ListDir(path);
}

bool RecordingFileSystem::Exists(const std::string& path) { return Posix().Exists(path); }

int RecordingVfsObserver::Before(const VfsOperation& operation) {
  const bool folder = operation.kind == VfsOperation::Kind::kSyncDir;
  if (folder || operation.kind == VfsOperation::Kind::kSync) {
    sync_of_thread = log_.BeginSync(operation.path, folder);
  }
  return 0;
}

void RecordingVfsObserver::After(const VfsOperation& operation) {
  switch (operation.kind) {
    case VfsOperation::Kind::kCreate:
      return log_.Add({Kind::kCreate, operation.path});
    case VfsOperation::Kind::kWrite:
      return log_.Add(
          {Kind::kWrite, operation.path, "", operation.offset, std::string(operation.bytes)});
    case VfsOperation::Kind::kTruncate:
      return log_.Add({Kind::kTruncate, operation.path, "", operation.offset});
    case VfsOperation::Kind::kDelete:
      return log_.Add({Kind::kRemove, operation.path});
    case VfsOperation::Kind::kSync:
    case VfsOperation::Kind::kSyncDir:
      return log_.EndSync(sync_of_thread);
    case VfsOperation::Kind::kShmMap:
      return;
  }
}

}  // namespace skytrain
