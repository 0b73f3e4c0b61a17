#include "server/blobs/blob_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr absl::string_view kFiles = "/files/";
// Between 256 KiB and 1 MiB a stream is fastest; a message stays far below gRPC's 4 MiB.
constexpr int64_t kChunkBytes = 512 << 10;

absl::Status BlobNotFound(absl::string_view name) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "BLOB_NOT_FOUND",
                         absl::StrCat("there is no file ", name));
}

absl::Status BlobCorrupt(absl::string_view name, absl::string_view what) {
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "BLOB_CORRUPT",
      absl::StrCat(name, " is damaged on the server: ", what,
                   ". Publish it again by running its job again, or restore it from a backup"));
}

std::string IdentityOf(const struct stat& info) {
  return absl::StrCat(info.st_dev, ":", info.st_ino, ":", info.st_size, ":", info.st_mtim.tv_sec,
                      ".", info.st_mtim.tv_nsec, ":", info.st_ctim.tv_sec, ".",
                      info.st_ctim.tv_nsec);
}

}  // namespace

BlobReader::~BlobReader() { close(fd_); }

absl::StatusOr<bool> BlobReader::Next(v1::ReadBlobResponse* chunk) {
  if (offset_ >= size_) return false;
  std::string& data = *chunk->mutable_data();
  data.resize(std::min(kChunkBytes, size_ - offset_));
  size_t got = 0;
  while (got < data.size()) {
    const ssize_t length = pread(fd_, data.data() + got, data.size() - got, offset_ + got);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", name_));
    if (length == 0) return BlobCorrupt(name_, absl::StrCat("it ends at byte ", offset_ + got));
    got += length;
  }
  chunk->set_offset(offset_);
  chunk->set_crc32c(Crc32c(data));
  offset_ += got;
  return true;
}

absl::StatusOr<BlobStore::Located> BlobStore::Locate(absl::string_view name) {
  const size_t at = name.find(kFiles);
  if (at == absl::string_view::npos) return BlobNotFound(name);
  const absl::string_view file_name = name.substr(at + kFiles.size());
  const absl::StatusOr<v1::Model> model = models_.Get(name.substr(0, at));
  if (!model.ok()) {
    const bool unknown =
        absl::IsNotFound(model.status()) || absl::IsInvalidArgument(model.status());
    return unknown ? BlobNotFound(name) : model.status();
  }
  // Only names that were published are files: no path is made from what a client sends.
  for (const v1::ModelFile& file : model->files()) {
    if (file.name() != file_name) continue;
    Located located;
    located.blob.set_name(file.blob());
    located.blob.set_size_bytes(file.size_bytes());
    located.blob.set_sha256(file.sha256());
    located.path = absl::StrCat(models_.DirOf(*model), "/", file.name());
    return located;
  }
  return BlobNotFound(name);
}

absl::StatusOr<v1::Blob> BlobStore::Stat(absl::string_view name) {
  ASSIGN_OR_RETURN(Located located, Locate(name));
  return std::move(located.blob);
}

absl::StatusOr<std::unique_ptr<BlobReader>> BlobStore::Open(absl::string_view name,
                                                            int64_t offset) {
  ASSIGN_OR_RETURN(const Located file, Locate(name));
  if (offset < 0 || offset > file.blob.size_bytes()) {
    return ErrorWithReason(
        absl::StatusCode::kOutOfRange, "OFFSET_OUT_OF_RANGE",
        absl::StrCat(name, " has ", file.blob.size_bytes(), " bytes, asked for byte ", offset));
  }
  const int fd = open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return BlobCorrupt(file.blob.name(), absl::StrCat(file.path, " cannot be opened"));
  std::unique_ptr<BlobReader> reader(
      new BlobReader(fd, file.blob.name(), offset, file.blob.size_bytes()));
  struct stat info;
  if (fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("fstat ", file.path));
  if (info.st_size != file.blob.size_bytes()) {
    return BlobCorrupt(file.blob.name(), absl::StrCat("it has ", info.st_size, " bytes instead of ",
                                                      file.blob.size_bytes()));
  }
  RETURN_IF_ERROR(Verify(file, IdentityOf(info)));
  return reader;
}

absl::Status BlobStore::Verify(const Located& file, const std::string& identity) {
  {
    MutexLock lock(mu_);
    const auto found = verified_.find(file.path);
    if (found != verified_.end() && found->second == identity) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string sha256, Sha256HexOfFile(file.path));
  if (sha256 != file.blob.sha256()) {
    return BlobCorrupt(file.blob.name(),
                       absl::StrCat("its SHA-256 is ", sha256, " instead of ", file.blob.sha256()));
  }
  MutexLock lock(mu_);
  verified_[file.path] = identity;
  return absl::OkStatus();
}

}  // namespace skytrain
