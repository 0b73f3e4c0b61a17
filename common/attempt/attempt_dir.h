#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/file/file_identity.h"
#include "common/file/file_system.h"
#include "skytrain/internal/v1/attempt.pb.h"

namespace skytrain {

// The folder attempts/<job uid>-<k>/: the whole contract between daemon, shepherd, worker and
// whoever looks at a run without a daemon. README.md says who writes what, when, and what a reader
// may conclude. Thread-safe (it holds only a path).
class AttemptDir {
 public:
  static constexpr int kMostRanks = 64;

  AttemptDir(FileSystem& fs, std::string path);

  const std::string& path() const { return path_; }
  FileSystem& files() const { return *fs_; }
  std::string SpecPath() const;               // attempt.binpb
  std::string ClaimPath() const;              // claim
  std::string LockPath() const;               // lock
  std::string ControlPath() const;            // control.binpb
  std::string ExitPath() const;               // exit.binpb
  std::string ShepherdSpoolPath() const;      // shepherd.spool
  std::string RankSpoolPath(int rank) const;  // rank-N.spool
  std::string CheckpointsPath() const;        // checkpoints/ (step-N folders)
  std::string ModelPath() const;              // model/ (model.safetensors, model.json)
  std::string OutputPath() const;             // output/ (files of the job itself)

  // Daemon. Makes the folder and attempt.binpb, synced with the parent. ALREADY_EXISTS. `owner`
  // (for root): gives the folder to that user, before anything is in it, and closes it to all
  // others.
  absl::Status Create(const internal::v1::AttemptSpec& spec,
                      const std::optional<UserIds>& owner = std::nullopt);
  absl::StatusOr<internal::v1::AttemptSpec> ReadSpec() const;

  // O_EXCL. ALREADY_EXISTS when somebody was first: then no ranks may be started (or the attempt is
  // alive after all).
  absl::Status TryClaim(const internal::v1::Claim& claim);
  // nullopt: not claimed. A claim cut short by a power loss, and what is no file, read as an empty
  // message.
  absl::StatusOr<std::optional<internal::v1::Claim>> ReadClaim() const;

  absl::Status WriteControl(const internal::v1::Control& control);
  absl::StatusOr<std::optional<internal::v1::Control>> ReadControl() const;

  // Reserves the record's blocks, so that the end can be written on a full disk.
  absl::Status PreallocateExit();
  absl::Status WriteExit(const internal::v1::ExitRecord& record);
  // nullopt: not written (absent, preallocated zeros, or torn).
  absl::StatusOr<std::optional<internal::v1::ExitRecord>> ReadExit() const;

  // Takes flock(LOCK_EX) on `lock` for the shepherd; the returned fd is inherited by the ranks, so
  // the lock is held until the last process of the attempt is gone. FAILED_PRECONDITION when held.
  absl::StatusOr<int> TakeLock();
  // True when no process of the attempt is left on this host (the lock could be had, and was
  // released again).
  absl::StatusOr<bool> NoProcessLeft() const;

  // shepherd.spool and rank-N.spool, N < kMostRanks: each costs who reads it memory and a
  // descriptor.
  static bool IsSpool(absl::string_view file);
  // The spools that are there as regular files, with their sizes.
  absl::StatusOr<std::vector<std::pair<std::string, uint64_t>>> Spools() const;

 private:
  FileSystem* fs_;  // A pointer, so that the class can be assigned.
  std::string path_;
};

}  // namespace skytrain
