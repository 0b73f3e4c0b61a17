#include "server/data/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/status_macros.h"
#include "server/data/cache_format.h"
#include "server/data/container.h"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

absl::Status WriteAt(int fd, const std::string& path, uint64_t offset, const void* bytes,
                     size_t size) {
  const char* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t put = ::pwrite(fd, from, size, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemError("write", path, errno);
    from += put;
    offset += static_cast<uint64_t>(put);
    size -= static_cast<size_t>(put);
  }
  return absl::OkStatus();
}

uint32_t ChunkCrc(absl::string_view chunk) { return MaskCrc(Crc32c(chunk)); }

}  // namespace

absl::StatusOr<std::unique_ptr<CacheFile>> CacheFile::Open(const std::string& path) {
  std::unique_ptr<CacheFile> file(new CacheFile);
  RETURN_IF_ERROR(file->Map(path));
  return file;
}

CacheFile::~CacheFile() {
  if (map_ != nullptr) ::munmap(map_, map_bytes_);
}

absl::Span<const uint8_t> CacheFile::pixels() const {
  return {static_cast<const uint8_t*>(map_) + kCacheHeaderBytes, pixel_bytes_};
}

absl::Status CacheFile::Map(const std::string& path) {
  fd_ = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd_.ok() && errno == ENOENT) return absl::NotFoundError(path);
  struct stat st;
  if (!fd_.ok() || ::fstat(fd_.get(), &st) != 0) return SystemError("open", path, errno);
  // Where neither works, the file is still good; it may only go too early.
  (void)::flock(fd_.get(), LOCK_SH | LOCK_NB);
  (void)::futimens(fd_.get(), nullptr);  // The time of the last use.
  const auto size = static_cast<uint64_t>(st.st_size);
  const absl::Status damaged = absl::DataLossError(absl::StrCat(path, " is damaged"));
  if (size < kCacheHeaderBytes) return damaged;
  void* map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_.get(), 0);
  if (map == MAP_FAILED) return SystemError("map", path, errno);
  map_ = map;
  map_bytes_ = size;
  CacheHeader header;
  std::memcpy(&header, map, sizeof(header));
  if (std::memcmp(header.magic, kCacheMagic, sizeof(header.magic)) != 0 ||
      header.version != kCacheVersion || header.header_crc != HeaderCrc(header) ||
      header.channels != 3 || header.pixel_type != kPixelUint8 || header.side > kLargestCanvas ||
      header.count > size || header.pixel_bytes != header.count * header.side * header.side * 3 ||
      size != kCacheHeaderBytes + header.pixel_bytes + header.index_bytes) {
    return damaged;
  }
  const absl::string_view all(static_cast<const char*>(map), size);
  const absl::string_view index_bytes = all.substr(kCacheHeaderBytes + header.pixel_bytes);
  if (ChunkCrc(index_bytes) != header.index_crc) return damaged;
  std::vector<uint32_t> crcs;
  RETURN_IF_ERROR(DecodeIndex(index_bytes, header.count, index_, crcs));
  pixel_bytes_ = header.pixel_bytes;
  side_ = static_cast<int>(header.side);
  const absl::string_view pixel_part = all.substr(kCacheHeaderBytes, pixel_bytes_);
  if (crcs.size() != (pixel_bytes_ + kCacheChunkBytes - 1) / kCacheChunkBytes) return damaged;
  for (size_t i = 0; i < crcs.size(); ++i) {
    if (ChunkCrc(pixel_part.substr(i * kCacheChunkBytes, kCacheChunkBytes)) != crcs[i]) {
      return damaged;
    }
  }
  return absl::OkStatus();
}

CacheWriter::CacheWriter(std::string path, int side)
    : path_(std::move(path)),
      temporary_(path_ + ".tmp"),
      side_(side),
      image_bytes_(int64_t{3} * side * side) {}

CacheWriter::~CacheWriter() {
  if (!committed_) ::unlink(temporary_.c_str());
}

absl::StatusOr<std::unique_ptr<CacheWriter>> CacheWriter::Create(const std::string& path,
                                                                 int64_t capacity, int side) {
  std::unique_ptr<CacheWriter> writer(new CacheWriter(path, side));
  // Left over from a build that was killed; the lock says that nobody writes it now.
  ::unlink(writer->temporary_.c_str());
  writer->fd_ = Fd(::open(writer->temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!writer->fd_.ok()) return SystemError("create", writer->temporary_, errno);
  // Before an hour of decoding, not after it, one learns that the disk is too small.
  const int error = ::posix_fallocate(writer->fd_.get(), 0,
                                      static_cast<off_t>(kCacheHeaderBytes) +
                                          std::max<int64_t>(capacity * writer->image_bytes_, 1));
  if (error != 0) return SystemError("reserve room for", writer->temporary_, error);
  return writer;
}

absl::Status CacheWriter::PutImage(int64_t slot, const uint8_t* pixels) {
  return WriteAt(fd_.get(), temporary_, kCacheHeaderBytes + slot * image_bytes_, pixels,
                 image_bytes_);
}

absl::Status CacheWriter::Compact(const std::vector<int64_t>& slots) {
  std::string image;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i] == static_cast<int64_t>(i)) continue;
    RETURN_IF_ERROR(ReadAt(fd_.get(), temporary_, kCacheHeaderBytes + slots[i] * image_bytes_,
                           image_bytes_, image));
    RETURN_IF_ERROR(WriteAt(fd_.get(), temporary_, kCacheHeaderBytes + i * image_bytes_,
                            image.data(), image.size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint32_t>> CacheWriter::ChunkCrcs(int64_t pixel_bytes) {
  std::vector<uint32_t> crcs;
  std::string chunk;
  for (int64_t done = 0; done < pixel_bytes; done += kCacheChunkBytes) {
    RETURN_IF_ERROR(ReadAt(fd_.get(), temporary_, kCacheHeaderBytes + done,
                           std::min<int64_t>(kCacheChunkBytes, pixel_bytes - done), chunk));
    crcs.push_back(ChunkCrc(chunk));
  }
  return crcs;
}

absl::Status CacheWriter::Commit(const std::vector<int64_t>& slots, const CacheIndex& index) {
  RETURN_IF_ERROR(Compact(slots));
  const int64_t pixel_bytes = static_cast<int64_t>(slots.size()) * image_bytes_;
  ASSIGN_OR_RETURN(const std::vector<uint32_t> crcs, ChunkCrcs(pixel_bytes));
  const std::string index_bytes = EncodeIndex(index, crcs);
  CacheHeader header = {};
  std::memcpy(header.magic, kCacheMagic, sizeof(header.magic));
  header.version = kCacheVersion;
  header.side = static_cast<uint32_t>(side_);
  header.channels = 3;
  header.pixel_type = kPixelUint8;
  header.count = slots.size();
  header.pixel_bytes = pixel_bytes;
  header.index_bytes = index_bytes.size();
  header.index_crc = ChunkCrc(index_bytes);
  header.header_crc = HeaderCrc(header);
  const uint64_t index_at = kCacheHeaderBytes + pixel_bytes;
  RETURN_IF_ERROR(WriteAt(fd_.get(), temporary_, 0, &header, sizeof(header)));
  RETURN_IF_ERROR(WriteAt(fd_.get(), temporary_, index_at, index_bytes.data(), index_bytes.size()));
  if (::ftruncate(fd_.get(), static_cast<off_t>(index_at + index_bytes.size())) != 0 ||
      ::fsync(fd_.get()) != 0) {
    return SystemError("write", temporary_, errno);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return SystemError("rename", temporary_, errno);
  }
  committed_ = true;
  const std::string folder = path_.substr(0, path_.rfind('/') + 1);
  const Fd parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.ok() || ::fsync(parent.get()) != 0) return SystemError("sync", folder, errno);
  return absl::OkStatus();
}

absl::StatusOr<Fd> LockCache(const std::string& path, const std::function<bool()>& stop) {
  const std::string name = path + ".lock";
  Fd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.ok()) return SystemError("create", name, errno);
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return SystemError("lock", name, errno);
    if (stop && stop()) return Stopped();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fd;
}

}  // namespace skytrain::data
