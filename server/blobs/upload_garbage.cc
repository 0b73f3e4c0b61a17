// What of the uploads may go.
#include <sys/stat.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/blobs/upload_store.h"

namespace skytrain {
namespace {

constexpr size_t kDigits = 64;  // Of a SHA-256.

// Regular files of `folder` that were last written before `before`.
std::vector<UploadStore::Garbage> OldFiles(FileSystem& fs, const std::string& folder,
                                           absl::Time before) {
  std::vector<UploadStore::Garbage> found;
  const auto names = fs.ListDir(folder);
  if (!names.ok()) return found;
  for (const std::string& name : *names) {
    UploadStore::Garbage file;
    file.path = absl::StrCat(folder, "/", name);
    struct stat info;
    if (name.size() < kDigits || lstat(file.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
      continue;
    }
    file.name = BlobName(name.substr(0, kDigits));
    file.bytes = info.st_size;
    file.last_use = absl::TimeFromTimespec(info.st_mtim);
    if (file.last_use < before) found.push_back(std::move(file));
  }
  return found;
}

}  // namespace

absl::StatusOr<std::vector<UploadStore::Garbage>> UploadStore::FindGarbage(
    absl::Duration max_age, const absl::flat_hash_set<std::string>& in_use) {
  const absl::Time before = clock_.Now() - max_age;
  std::vector<BlobRow> rows;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(rows, AllBlobs(connection));
    return absl::OkStatus();
  }));
  std::vector<Garbage> garbage;
  absl::flat_hash_set<std::string> known;
  for (const BlobRow& row : rows) {
    const absl::Time used = absl::FromUnixSeconds(row.use_time);
    known.insert(PathOf(row.sha256));
    if (used >= before || in_use.contains(BlobName(row.sha256))) continue;
    garbage.push_back({BlobName(row.sha256), PathOf(row.sha256), row.size, used});
  }
  // Files that lost their row, or never got one, because the daemon died in between.
  ASSIGN_OR_RETURN(const std::vector<std::string> folders, fs_.ListDir(options_.dir));
  for (const std::string& folder : folders) {
    for (Garbage& file : OldFiles(fs_, absl::StrCat(options_.dir, "/", folder), before)) {
      if (!known.contains(file.path)) garbage.push_back(std::move(file));
    }
  }
  return garbage;
}

absl::StatusOr<bool> UploadStore::Remove(const Garbage& garbage) {
  MutexLock lock(publish_mu_);
  if (absl::EndsWith(garbage.path, ".part")) {
    // Marked as if a stream had it, so that none begins meanwhile.
    {
      MutexLock active(mu_);
      if (!active_.try_emplace(garbage.path, 0).second) return false;
    }
    const absl::Status removed = fs_.Remove(garbage.path);
    Release(garbage.path);
    RETURN_IF_ERROR(removed);
    return true;
  }
  ASSIGN_OR_RETURN(const std::string sha256, ParseBlobName(garbage.name));
  bool gone = false;
  RETURN_IF_ERROR(
      database_.Write(Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(const auto row, FindBlob(connection, sha256));
        gone = !row.has_value();
        if (gone) return absl::OkStatus();
        ASSIGN_OR_RETURN(gone,
                         DeleteBlob(connection, sha256, absl::ToUnixSeconds(garbage.last_use)));
        return absl::OkStatus();
      }));
  if (!gone) return false;
  verified_.Forget(garbage.path);
  RETURN_IF_ERROR(fs_.Remove(garbage.path));
  return true;
}

}  // namespace skytrain
