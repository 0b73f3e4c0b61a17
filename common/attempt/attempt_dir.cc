#include "common/attempt/attempt_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/attempt/exit_record.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using internal::v1::AttemptSpec;
using internal::v1::Claim;
using internal::v1::Control;
using internal::v1::ExitRecord;

constexpr uint64_t kMaxMessage = 64 << 20;

// How long TakeLock waits for a daemon that is just trying whether the lock can be had.
constexpr int kLockTries = 100;
constexpr std::chrono::milliseconds kLockPause(10);

template <typename Message>
absl::StatusOr<Message> ReadMessage(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string bytes, fs.ReadFile(path, kMaxMessage));
  Message message;
  if (!message.ParseFromString(bytes)) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: not a message of its kind"));
  }
  return message;
}

absl::Status WriteNewFile(FileSystem& fs, const std::string& path, const std::string& bytes) {
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, fs.CreateExclusive(path));
  RETURN_IF_ERROR(file->Append(bytes));
  RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

AttemptDir::AttemptDir(FileSystem& fs, std::string path)
    : fs_(&fs), path_(WithoutTrailingSlash(std::move(path))) {}

std::string AttemptDir::SpecPath() const { return path_ + "/attempt.binpb"; }
std::string AttemptDir::ClaimPath() const { return path_ + "/claim"; }
std::string AttemptDir::LockPath() const { return path_ + "/lock"; }
std::string AttemptDir::ControlPath() const { return path_ + "/control.binpb"; }
std::string AttemptDir::ExitPath() const { return path_ + "/exit.binpb"; }
std::string AttemptDir::ShepherdSpoolPath() const { return path_ + "/shepherd.spool"; }
std::string AttemptDir::RankSpoolPath(int rank) const {
  return absl::StrCat(path_, "/rank-", rank, ".spool");
}
std::string AttemptDir::CheckpointsPath() const { return path_ + "/checkpoints"; }
std::string AttemptDir::OutputPath() const { return path_ + "/output"; }
std::string AttemptDir::ModelPath() const { return path_ + "/model"; }

absl::Status AttemptDir::Create(const AttemptSpec& spec, const std::optional<UserIds>& owner) {
  RETURN_IF_ERROR(fs_->CreateDir(path_));
  if (owner.has_value()) {
    if (chmod(path_.c_str(), 0700) != 0 || lchown(path_.c_str(), owner->uid, owner->gid) != 0) {
      return PosixError(errno, "give away", path_);
    }
  }
  RETURN_IF_ERROR(fs_->CreateDir(CheckpointsPath()));
  RETURN_IF_ERROR(WriteFileAtomically(*fs_, SpecPath(), spec.SerializeAsString()));
  return fs_->SyncDir(ParentOf(path_));
}

absl::StatusOr<AttemptSpec> AttemptDir::ReadSpec() const {
  return ReadMessage<AttemptSpec>(*fs_, SpecPath());
}

absl::Status AttemptDir::TryClaim(const Claim& claim) {
  RETURN_IF_ERROR(WriteNewFile(*fs_, ClaimPath(), claim.SerializeAsString()));
  return fs_->SyncDir(path_);
}

absl::StatusOr<std::optional<Claim>> AttemptDir::ReadClaim() const {
  auto claim = ReadMessage<Claim>(*fs_, ClaimPath());
  if (absl::IsNotFound(claim.status())) return std::nullopt;
  // Cut short, or something else was put in its place: claimed, by nobody who could start anything.
  if (absl::IsDataLoss(claim.status()) || absl::IsFailedPrecondition(claim.status())) {
    return Claim();
  }
  RETURN_IF_ERROR(claim.status());
  return *std::move(claim);
}

absl::Status AttemptDir::WriteControl(const Control& control) {
  return WriteFileAtomically(*fs_, ControlPath(), control.SerializeAsString());
}

absl::StatusOr<std::optional<Control>> AttemptDir::ReadControl() const {
  auto control = ReadMessage<Control>(*fs_, ControlPath());
  if (absl::IsNotFound(control.status())) return std::nullopt;
  RETURN_IF_ERROR(control.status());
  return *std::move(control);
}

absl::Status AttemptDir::PreallocateExit() {
  RETURN_IF_ERROR(PreallocateExitRecord(*fs_, ExitPath()));
  return fs_->SyncDir(path_);
}

absl::Status AttemptDir::WriteExit(const ExitRecord& record) {
  RETURN_IF_ERROR(WriteExitRecord(*fs_, ExitPath(), record));
  return fs_->SyncDir(path_);
}

absl::StatusOr<std::optional<ExitRecord>> AttemptDir::ReadExit() const {
  return ReadExitRecord(*fs_, ExitPath());
}

absl::StatusOr<int> AttemptDir::TakeLock() {
  const int fd = open(LockPath().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return PosixError(errno, "open", LockPath());
  for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; ++tries) {
    const int error = errno;
    // NoProcessLeft() holds the lock for a moment.
    if (error == EWOULDBLOCK && tries < kLockTries) {
      std::this_thread::sleep_for(kLockPause);
      continue;
    }
    close(fd);
    if (error != EWOULDBLOCK) return PosixError(error, "lock", LockPath());
    return absl::FailedPreconditionError(
        absl::StrCat(LockPath(), " is held: a process of this attempt is still running"));
  }
  return fd;
}

absl::StatusOr<bool> AttemptDir::NoProcessLeft() const {
  const auto opened = fs_->Open(LockPath(), FileSystem::Access::kReadWrite);
  // Something else in its place was not put there by a shepherd, and holds no lock.
  if (absl::IsNotFound(opened.status()) || absl::IsFailedPrecondition(opened.status())) return true;
  ASSIGN_OR_RETURN(const int fd, opened);
  const int result = flock(fd, LOCK_EX | LOCK_NB);
  const int error = errno;
  close(fd);
  if (result == 0) return true;
  if (error == EWOULDBLOCK) return false;
  return PosixError(error, "lock", LockPath());
}

bool AttemptDir::IsSpool(absl::string_view file) {
  if (file == "shepherd.spool") return true;
  int rank = 0;
  return absl::ConsumePrefix(&file, "rank-") && absl::ConsumeSuffix(&file, ".spool") &&
         absl::SimpleAtoi(file, &rank) && rank >= 0 && rank < kMostRanks &&
         file == absl::StrCat(rank);
}

absl::StatusOr<std::vector<std::pair<std::string, uint64_t>>> AttemptDir::Spools() const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_->ListDir(path_));
  std::vector<std::pair<std::string, uint64_t>> spools;
  for (const std::string& name : names) {
    if (!IsSpool(name)) continue;
    const auto info = fs_->Info(absl::StrCat(path_, "/", name));
    if (absl::IsNotFound(info.status())) continue;  // Removed just now.
    RETURN_IF_ERROR(info.status());
    if (info->kind == FileInfo::Kind::kFile) spools.emplace_back(name, info->bytes);
  }
  return spools;
}

}  // namespace skytrain
