#include "tests/support/fault_injecting_file_system.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using Kind = FaultInjectingFileSystem::Operation::Kind;

std::string ParentOf(const std::string& path) {
  std::filesystem::path parent = std::filesystem::path(path).lexically_normal().parent_path();
  return parent.string();
}

}  // namespace

class FaultInjectingFileSystem::File : public WritableFile {
 public:
  File(FaultInjectingFileSystem& fs, std::string path, std::unique_ptr<WritableFile> real)
      : fs_(fs), path_(std::move(path)), real_(std::move(real)) {}

  absl::Status Append(absl::string_view data) override {
    size_t allowed = data.size();
    const absl::Status fault = fs_.Begin({Kind::kAppend, path_, data.size()}, &allowed);
    RETURN_IF_ERROR(real_->Append(data.substr(0, allowed)));
    return fault;
  }
  absl::Status Sync() override {
    RETURN_IF_ERROR(fs_.Begin({Kind::kSync, path_}));
    RETURN_IF_ERROR(real_->Sync());
    MutexLock lock(fs_.mu_);
    fs_.files_[path_].synced_bytes = real_->size();
    return absl::OkStatus();
  }
  absl::Status Close() override {
    RETURN_IF_ERROR(fs_.Begin({Kind::kClose, path_}));
    return real_->Close();
  }
  uint64_t size() const override { return real_->size(); }

 private:
  FaultInjectingFileSystem& fs_;
  const std::string path_;
  const std::unique_ptr<WritableFile> real_;
};

std::vector<FaultInjectingFileSystem::Operation> FaultInjectingFileSystem::operations() const {
  MutexLock lock(mu_);
  return operations_;
}

void FaultInjectingFileSystem::FailOperation(size_t number, absl::Status status,
                                             size_t torn_bytes) {
  MutexLock lock(mu_);
  faults_.push_back({operations_.size() + number, std::move(status), torn_bytes});
}

void FaultInjectingFileSystem::LimitDisk(uint64_t bytes) {
  MutexLock lock(mu_);
  disk_left_ = bytes;
}

void FaultInjectingFileSystem::UnlimitDisk() {
  MutexLock lock(mu_);
  disk_left_.reset();
}

void FaultInjectingFileSystem::DropUnsynced() {
  MutexLock lock(mu_);
  for (const auto& [path, durable] : files_) {
    std::error_code error;
    if (!durable.name_synced) {
      std::filesystem::remove(path, error);
    } else if (std::filesystem::file_size(path, error) > durable.synced_bytes && !error) {
      std::filesystem::resize_file(path, durable.synced_bytes, error);
    }
  }
}

absl::Status FaultInjectingFileSystem::Begin(Operation operation, size_t* allowed) {
  MutexLock lock(mu_);
  const size_t number = operations_.size();
  operations_.push_back(operation);
  for (const Fault& fault : faults_) {
    if (fault.number != number) continue;
    if (allowed != nullptr) *allowed = std::min(operation.bytes, fault.torn_bytes);
    return fault.status;
  }
  if (operation.kind != Kind::kAppend || !disk_left_.has_value()) return absl::OkStatus();
  const size_t fits = std::min<uint64_t>(operation.bytes, *disk_left_);
  *disk_left_ -= fits;
  *allowed = fits;
  if (fits == operation.bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot write ", operation.path, ": No space left on device"));
}

absl::StatusOr<std::unique_ptr<WritableFile>> FaultInjectingFileSystem::Wrap(
    const std::string& path, bool is_new, absl::StatusOr<std::unique_ptr<WritableFile>> file) {
  RETURN_IF_ERROR(file.status());
  MutexLock lock(mu_);
  // A file that was there before the test looked is taken as safe.
  if (is_new) {
    files_[path] = Durable{};
  } else {
    files_.try_emplace(path, Durable{(*file)->size(), true});
  }
  return std::make_unique<File>(*this, path, *std::move(file));
}

absl::StatusOr<std::unique_ptr<WritableFile>> FaultInjectingFileSystem::CreateExclusive(
    const std::string& path) {
  RETURN_IF_ERROR(Begin({Kind::kCreate, path}));
  return Wrap(path, true, Posix().CreateExclusive(path));
}

absl::StatusOr<std::unique_ptr<WritableFile>> FaultInjectingFileSystem::OpenAppend(
    const std::string& path) {
  RETURN_IF_ERROR(Begin({Kind::kOpen, path}));
  const bool is_new = !Posix().Exists(path);
  return Wrap(path, is_new, Posix().OpenAppend(path));
}

absl::Status FaultInjectingFileSystem::Reserve(const std::string& path, uint64_t bytes) {
  RETURN_IF_ERROR(Begin({Kind::kReserve, path, bytes}));
  RETURN_IF_ERROR(Posix().Reserve(path, bytes));
  MutexLock lock(mu_);
  files_[path].synced_bytes = bytes;
  return absl::OkStatus();
}

// On a disk that is full it works: its bytes are reserved.
absl::Status FaultInjectingFileSystem::Overwrite(const std::string& path, absl::string_view data) {
  RETURN_IF_ERROR(Begin({Kind::kOverwrite, path, data.size()}));
  RETURN_IF_ERROR(Posix().Overwrite(path, data));
  MutexLock lock(mu_);
  Durable& durable = files_[path];
  durable.synced_bytes = std::max<uint64_t>(durable.synced_bytes, data.size());
  return absl::OkStatus();
}

absl::Status FaultInjectingFileSystem::Link(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(Begin({Kind::kLink, to}));
  RETURN_IF_ERROR(Posix().Link(from, to));
  MutexLock lock(mu_);
  const auto it = files_.find(from);
  files_[to] = Durable{it == files_.end() ? UINT64_MAX : it->second.synced_bytes, false};
  return absl::OkStatus();
}

absl::Status FaultInjectingFileSystem::Rename(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(Begin({Kind::kRename, to}));
  RETURN_IF_ERROR(Posix().Rename(from, to));
  MutexLock lock(mu_);
  if (const auto it = files_.find(from); it != files_.end()) {
    // The new name counts as safe once the folder is synced, as with a file system that orders
    // renames; what the old name held before that is not kept.
    files_[to] = Durable{it->second.synced_bytes, false};
    files_.erase(from);
  }
  return absl::OkStatus();
}

absl::Status FaultInjectingFileSystem::Remove(const std::string& path) {
  RETURN_IF_ERROR(Begin({Kind::kRemove, path}));
  RETURN_IF_ERROR(Posix().Remove(path));
  MutexLock lock(mu_);
  files_.erase(path);
  return absl::OkStatus();
}

absl::Status FaultInjectingFileSystem::CreateDir(const std::string& path) {
  RETURN_IF_ERROR(Begin({Kind::kCreateDir, path}));
  return Posix().CreateDir(path);
}

absl::Status FaultInjectingFileSystem::RemoveTree(const std::string& path) {
  RETURN_IF_ERROR(Begin({Kind::kRemoveTree, path}));
  return Posix().RemoveTree(path);
}

absl::Status FaultInjectingFileSystem::SyncDir(const std::string& path) {
  RETURN_IF_ERROR(Begin({Kind::kSyncDir, path}));
  RETURN_IF_ERROR(Posix().SyncDir(path));
  const std::string folder = std::filesystem::path(path + "/").lexically_normal().parent_path();
  MutexLock lock(mu_);
  for (auto& [file, durable] : files_) {
    if (ParentOf(file) == folder) durable.name_synced = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FaultInjectingFileSystem::ReadFile(const std::string& path,
                                                               uint64_t max_bytes) {
  return Posix().ReadFile(path, max_bytes);
}

absl::StatusOr<std::vector<std::string>> FaultInjectingFileSystem::ListDir(
    const std::string& path) {
  return Posix().ListDir(path);
}

bool FaultInjectingFileSystem::Exists(const std::string& path) { return Posix().Exists(path); }

}  // namespace skytrain
