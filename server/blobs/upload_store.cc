#include "server/blobs/upload_store.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/blobs/blob_errors.h"

namespace skytrain {
namespace {

constexpr char kSendAgain[] = "Send the file again, or restore it from a backup";

// Nobody else may reach what there is, so that who knows a digest knows no more.
absl::Status MakeDir(FileSystem& fs, const std::string& path) {
  const absl::Status made = fs.CreateDir(path);
  if (absl::IsAlreadyExists(made)) return absl::OkStatus();
  if (made.ok()) chmod(path.c_str(), 0700);
  return made;
}

// The part of a part's name that stands for its owner, whose own name may have any characters.
std::string SuffixOf(const std::string& owner) {
  return absl::StrCat(".", Sha256Hex(owner).substr(0, 16), ".part");
}

v1::Blob WholeBlob(const std::string& sha256, int64_t size) {
  v1::Blob blob;
  blob.set_name(BlobName(sha256));
  blob.set_size_bytes(size);
  blob.set_sha256(sha256);
  blob.set_committed_bytes(size);
  return blob;
}

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<UploadStore>> UploadStore::Open(Options options, Database& database,
                                                               FileSystem& fs, Clock& clock) {
  RETURN_IF_ERROR(MakeDir(fs, options.dir));
  RETURN_IF_ERROR(MakeDir(fs, options.dir + "/parts"));
  RETURN_IF_ERROR(fs.SyncDir(options.dir));
  RETURN_IF_ERROR(fs.SyncDir(ParentOf(options.dir)));
  return std::unique_ptr<UploadStore>(new UploadStore(std::move(options), database, fs, clock));
}

UploadStore::UploadStore(Options options, Database& database, FileSystem& fs, Clock& clock)
    : options_(std::move(options)), database_(database), fs_(fs), clock_(clock) {}

std::string UploadStore::PathOf(const std::string& sha256) const {
  return absl::StrCat(options_.dir, "/", sha256.substr(0, 2), "/", sha256);
}

std::string UploadStore::PartPath(const std::string& sha256, const std::string& owner) const {
  return absl::StrCat(options_.dir, "/parts/", sha256, SuffixOf(owner));
}

absl::StatusOr<std::optional<BlobRow>> UploadStore::RowFor(
    const std::string& sha256, const std::optional<std::string>& owner) {
  std::optional<BlobRow> row;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, FindBlob(connection, sha256));
    if (!row.has_value() || !owner.has_value()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const bool owns, OwnsBlob(connection, sha256, *owner));
    if (!owns) row.reset();
    return absl::OkStatus();
  }));
  return row;
}

absl::StatusOr<v1::Blob> UploadStore::Stat(const std::string& sha256, const std::string& owner) {
  ASSIGN_OR_RETURN(const std::optional<BlobRow> row, RowFor(sha256, owner));
  if (row.has_value()) return WholeBlob(sha256, row->size);
  const std::string part = PartPath(sha256, owner);
  if (!fs_.Exists(part)) return BlobNotFound(BlobName(sha256));
  // A daemon that was killed has not synced it, and the client may throw its own copy away.
  ASSIGN_OR_RETURN(const auto file, fs_.OpenAppend(part));
  if (const absl::Status synced = file->Sync(); !synced.ok()) {
    fs_.Remove(part).IgnoreError();  // What is on the disk is unknown.
    return synced;
  }
  RETURN_IF_ERROR(fs_.SyncDir(options_.dir + "/parts"));  // It may not have its name for good.
  v1::Blob blob;
  blob.set_name(BlobName(sha256));
  blob.set_sha256(sha256);
  blob.set_committed_bytes(static_cast<int64_t>(file->size()));
  RETURN_IF_ERROR(file->Close());
  MutexLock lock(mu_);
  if (const auto found = active_.find(part); found != active_.end()) {
    blob.set_size_bytes(found->second);
  }
  return blob;
}

absl::StatusOr<LocatedBlob> UploadStore::Find(const std::string& sha256,
                                              const std::optional<std::string>& owner) {
  ASSIGN_OR_RETURN(const std::optional<BlobRow> row, RowFor(sha256, owner));
  if (!row.has_value()) return BlobNotFound(BlobName(sha256));
  return LocatedBlob{WholeBlob(sha256, row->size), PathOf(sha256), kSendAgain};
}

absl::StatusOr<std::string> UploadStore::PathForJob(const std::string& sha256,
                                                    const std::string& owner) {
  ASSIGN_OR_RETURN(const LocatedBlob found, Find(sha256, owner));
  if (const absl::Status whole =
          verified_.Check(found.path, found.blob.size_bytes(), found.blob.sha256());
      !whole.ok()) {
    return absl::IsDataLoss(whole) ? BlobCorrupt(found.blob.name(), whole.message(), found.remedy)
                                   : whole;
  }
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  RETURN_IF_ERROR(database_.Write(Database::Priority::kControl, [&](Connection& connection) {
    return SetBlobUseTime(connection, sha256, now);
  }));
  return found.path;
}

bool UploadStore::IsWhole(const std::string& sha256, int64_t size) {
  return verified_.Check(PathOf(sha256), size, sha256).ok();
}

absl::StatusOr<bool> UploadStore::Share(const std::string& sha256, const std::string& owner) {
  MutexLock lock(publish_mu_);  // So that it is not removed as garbage meanwhile.
  ASSIGN_OR_RETURN(const std::optional<BlobRow> row, RowFor(sha256, std::nullopt));
  if (!row.has_value() || !IsWhole(sha256, row->size)) return false;
  RETURN_IF_ERROR(CheckQuota(PartPath(sha256, owner), row->size, owner));
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  RETURN_IF_ERROR(
      database_.Write(Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
        RETURN_IF_ERROR(InsertBlob(connection, *row, owner));
        return SetBlobUseTime(connection, sha256, now);
      }));
  // What `owner` has sent of it before is garbage now, unless a stream goes on with it.
  const std::string part = PartPath(sha256, owner);
  MutexLock active(mu_);
  if (!active_.contains(part) && fs_.Exists(part)) fs_.Remove(part).IgnoreError();
  return true;
}

absl::StatusOr<std::unique_ptr<Upload>> UploadStore::Begin(const std::string& sha256, int64_t size,
                                                           const std::string& owner, bool admin) {
  if (size < 0) return BadChunk(absl::StrCat("size_bytes must not be negative, it is ", size));
  ASSIGN_OR_RETURN(const std::optional<BlobRow> row, RowFor(sha256, owner));
  // A damaged one is sent again, which mends it.
  if (row.has_value() && IsWhole(sha256, row->size)) return std::unique_ptr<Upload>();
  if (admin && !row.has_value()) {
    ASSIGN_OR_RETURN(const bool shared, Share(sha256, owner));
    if (shared) return std::unique_ptr<Upload>();
  }
  if (size > options_.max_bytes) return BlobTooLarge(size, options_.max_bytes);
  const std::string part = PartPath(sha256, owner);
  {
    MutexLock lock(mu_);
    if (!active_.try_emplace(part, size).second) return UploadBusy(BlobName(sha256));
  }
  absl::Status status = CheckSpace(part, size, owner);
  if (status.ok()) {
    auto writer = OpenPart(part, size);
    if (writer.ok()) {
      return std::unique_ptr<Upload>(new Upload(*this, sha256, size, owner, *std::move(writer)));
    }
    status = writer.status();
  }
  Release(part);
  return status;
}

absl::Status UploadStore::CheckQuota(const std::string& part, int64_t size,
                                     const std::string& owner) {
  int64_t used = 0;
  RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(used, BytesOfOwner(connection, owner));
    return absl::OkStatus();
  }));
  used += PartBytes(owner, part);
  if (size > options_.max_owner_bytes - used) {
    return BlobQuota(size, used, options_.max_owner_bytes);
  }
  return absl::OkStatus();
}

absl::Status UploadStore::CheckSpace(const std::string& part, int64_t size,
                                     const std::string& owner) {
  RETURN_IF_ERROR(CheckQuota(part, size, owner));
  struct statvfs disk;
  if (statvfs(options_.dir.c_str(), &disk) != 0) return absl::OkStatus();  // Writing will tell.
  const auto available = static_cast<int64_t>(disk.f_bavail * disk.f_frsize);
  const int64_t missing = size - SizeOf(part);
  if (missing > available - options_.reserve_bytes) {
    return BlobStoreFull(absl::StrCat(missing, " bytes are to come, ", available, " are free"));
  }
  return absl::OkStatus();
}

int64_t UploadStore::PartBytes(const std::string& owner, const std::string& but) {
  const auto names = fs_.ListDir(options_.dir + "/parts");
  if (!names.ok()) return 0;
  const std::string suffix = SuffixOf(owner);
  int64_t bytes = 0;
  for (const std::string& name : *names) {
    const std::string part = absl::StrCat(options_.dir, "/parts/", name);
    if (!absl::EndsWith(name, suffix) || part == but) continue;
    const int64_t arrived = SizeOf(part);
    MutexLock lock(mu_);
    const auto found = active_.find(part);
    bytes += found == active_.end() ? arrived : found->second;
  }
  return bytes;
}

absl::StatusOr<std::unique_ptr<ChunkWriter>> UploadStore::OpenPart(const std::string& part,
                                                                   int64_t size) {
  // More than is to come: the name was sent with another size before, so what is there is wrong.
  // And a part that Publish has linked is whole: more bytes would go into everybody's file.
  struct stat info;
  if (stat(part.c_str(), &info) == 0 &&
      (info.st_size > size || (info.st_nlink > 1 && info.st_size != size))) {
    RETURN_IF_ERROR(fs_.Remove(part));
  }
  const bool is_new = !fs_.Exists(part);
  auto file = fs_.OpenAppend(part);
  if (absl::IsResourceExhausted(file.status())) return BlobStoreFull(file.status().message());
  RETURN_IF_ERROR(file.status());
  if (is_new) RETURN_IF_ERROR(fs_.SyncDir(options_.dir + "/parts"));
  auto digest = std::make_unique<Sha256>();
  RETURN_IF_ERROR(UpdateFromFile(part, *digest));
  return std::make_unique<ChunkWriter>(*std::move(file), std::move(digest), size);
}

absl::Status UploadStore::Publish(const std::string& sha256, int64_t size,
                                  const std::string& owner) {
  const std::string path = PathOf(sha256), part = PartPath(sha256, owner);
  const std::string folder = absl::StrCat(options_.dir, "/", sha256.substr(0, 2));
  MutexLock lock(publish_mu_);
  // Sent by somebody else: a job may be reading that one, so it stays.
  if (!IsWhole(sha256, size)) {
    RETURN_IF_ERROR(MakeDir(fs_, folder));
    RETURN_IF_ERROR(fs_.SyncDir(options_.dir));
    // A second name: until the row says whose it is, only the part does.
    absl::Status placed = fs_.Link(part, path);
    // There is a damaged one, or the file system has no links.
    if (absl::IsAlreadyExists(placed) || absl::IsFailedPrecondition(placed)) {
      placed = fs_.Rename(part, path);
    }
    RETURN_IF_ERROR(placed);
    RETURN_IF_ERROR(fs_.SyncDir(folder));
  }
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  RETURN_IF_ERROR(database_.Write(Database::Priority::kControl, [&](Connection& connection) {
    return InsertBlob(connection, {sha256, size, now, now}, owner);
  }));
  // It is published: a part that stays behind is garbage, which retention finds.
  if (fs_.Exists(part)) fs_.Remove(part).IgnoreError();
  chmod(path.c_str(), 0444);
  struct stat info;
  if (stat(path.c_str(), &info) == 0) verified_.Add(path, info, sha256);
  return absl::OkStatus();
}

void UploadStore::Release(const std::string& part) {
  MutexLock lock(mu_);
  active_.erase(part);
}

Upload::Upload(UploadStore& store, std::string sha256, int64_t size, std::string owner,
               std::unique_ptr<ChunkWriter> writer)
    : store_(store),
      sha256_(std::move(sha256)),
      size_(size),
      owner_(std::move(owner)),
      writer_(std::move(writer)) {}

Upload::~Upload() {
  if (!finished_ && !writer_->Sync().ok()) DropPart();
  store_.Release(store_.PartPath(sha256_, owner_));
}

absl::Status Upload::Add(int64_t offset, absl::string_view data, uint32_t crc32c) {
  const absl::Status added = writer_->Add(offset, data, crc32c);
  // An error of the disk: what is on it is unknown.
  if (!added.ok() && ReasonOf(added).empty()) DropPart();
  RETURN_IF_ERROR(added);
  return PublishIfComplete();
}

void Upload::DropPart() {
  finished_ = true;
  store_.fs_.Remove(store_.PartPath(sha256_, owner_)).IgnoreError();
}

absl::Status Upload::PublishIfComplete() {
  if (!writer_->complete() || finished_) return absl::OkStatus();
  finished_ = true;
  const absl::StatusOr<std::string> digest = writer_->Finish();
  if (!digest.ok()) {
    if (ReasonOf(digest.status()).empty()) DropPart();
    return digest.status();
  }
  if (*digest != sha256_) {
    DropPart();
    return DigestMismatch(BlobName(sha256_), *digest);
  }
  RETURN_IF_ERROR(store_.Publish(sha256_, size_, owner_));
  published_ = true;
  return absl::OkStatus();
}

}  // namespace skytrain
