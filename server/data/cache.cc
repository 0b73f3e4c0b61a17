#include "server/data/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/digest/hash64.h"
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

// RESOURCE_EXHAUSTED (DISK_FULL) saying how much is missing.
absl::Status NoRoom(int fd, const std::string& path, int64_t needed) {
  struct statvfs disk;
  const bool known = ::fstatvfs(fd, &disk) == 0;
  return DiskFull(path, needed, known ? static_cast<int64_t>(disk.f_bavail * disk.f_frsize) : -1);
}

absl::Status CheckRoom(int fd, const std::string& path, int64_t needed) {
  struct statvfs disk;
  // Some network file systems do not know.
  if (::fstatvfs(fd, &disk) != 0 || disk.f_blocks == 0) return absl::OkStatus();
  if (static_cast<uint64_t>(needed) / disk.f_frsize < disk.f_bavail) return absl::OkStatus();
  return NoRoom(fd, path, needed);
}

uint64_t PageBytes() {
  static const auto bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

uint32_t IndexCrc(absl::string_view index) { return MaskCrc(Crc32c(index)); }

// What the kernel reads ahead at once, at most, whatever it is asked for: 128 KiB by default.
constexpr uint64_t kReadAheadBytes = 128 << 10;
// How far ahead of the looking FindDamage has the kernel read.
constexpr size_t kWindowBytes = 16 << 20;

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
  path_ = path;
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
  // Samples are read in any order: what lies around one is not what comes next, and would push out
  // of memory what does. WillRead says what does.
  (void)::madvise(map, size, MADV_RANDOM);
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
  const uint64_t index_page = (size - header.index_bytes) / PageBytes() * PageBytes();
  (void)::madvise(static_cast<char*>(map) + index_page, size - index_page, MADV_SEQUENTIAL);
  if (IndexCrc(index_bytes) != header.index_crc) return damaged;
  RETURN_IF_ERROR(DecodeIndex(index_bytes, header.count, index_));
  pixel_bytes_ = header.pixel_bytes;
  side_ = static_cast<int>(header.side);
  good_ = std::make_unique<std::atomic<uint8_t>[]>(header.count);
  return absl::OkStatus();
}

absl::string_view CacheFile::PixelsOf(int64_t sample) const {
  const size_t bytes = size_t{3} * side_ * side_;
  return {reinterpret_cast<const char*>(pixels().data()) + sample * bytes, bytes};
}

void CacheFile::WillRead(absl::Span<const int64_t> samples) const {
  const uint64_t image = uint64_t{3} * side_ * side_;
  for (size_t i = 0; i < samples.size();) {
    size_t end = i + 1;  // Neighbours at once.
    while (end < samples.size() && samples[end] == samples[end - 1] + 1) ++end;
    uint64_t at = kCacheHeaderBytes + static_cast<uint64_t>(samples[i]) * image;
    const uint64_t stop = at + (end - i) * image;
    for (at -= at % PageBytes(); at < stop; at += kReadAheadBytes) {
      (void)::madvise(static_cast<char*>(map_) + at, std::min(kReadAheadBytes, stop - at),
                      MADV_WILLNEED);
    }
    i = end;
  }
}

bool CacheFile::IsDamaged(int64_t sample) const {
  if (good_[sample].load(std::memory_order_relaxed) != 0) return false;
  if (Hash64(PixelsOf(sample)) != index_.digests[sample]) return true;
  good_[sample].store(1, std::memory_order_relaxed);
  return false;
}

std::optional<int64_t> CacheFile::FindDamage(absl::Span<const int64_t> samples) const {
  const size_t window = std::max<size_t>(kWindowBytes / std::max<size_t>(PixelsOf(0).size(), 1), 1);
  std::vector<int64_t> ahead;
  const auto read_ahead = [&](size_t first) {
    ahead.clear();
    for (size_t i = first; i < std::min(first + window, samples.size()); ++i) {
      if (good_[samples[i]].load(std::memory_order_relaxed) == 0) ahead.push_back(samples[i]);
    }
    WillRead(ahead);
  };
  read_ahead(0);
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i % window == 0) read_ahead(i + window);
    if (IsDamaged(samples[i])) return samples[i];
  }
  return std::nullopt;
}

void CacheFile::Discard() const {
  struct stat named, own;
  if (::stat(path_.c_str(), &named) == 0 && ::fstat(fd_.get(), &own) == 0 &&
      named.st_ino == own.st_ino && named.st_dev == own.st_dev) {
    ::unlink(path_.c_str());
  }
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
  // Before an hour of decoding, not after it, one learns that the disk is too small. Asked first,
  // since a file system that cannot reserve would be filled up instead.
  const int64_t needed = static_cast<int64_t>(kCacheHeaderBytes) + capacity * writer->image_bytes_;
  RETURN_IF_ERROR(CheckRoom(writer->fd_.get(), path, needed));
  const int error = ::posix_fallocate(writer->fd_.get(), 0, needed);
  if (error == ENOSPC || error == EDQUOT) return NoRoom(writer->fd_.get(), path, needed);
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

absl::Status CacheWriter::Commit(const std::vector<int64_t>& slots, const CacheIndex& index) {
  RETURN_IF_ERROR(Compact(slots));
  const int64_t pixel_bytes = static_cast<int64_t>(slots.size()) * image_bytes_;
  const std::string index_bytes = EncodeIndex(index);
  CacheHeader header = {};
  std::memcpy(header.magic, kCacheMagic, sizeof(header.magic));
  header.version = kCacheVersion;
  header.side = static_cast<uint32_t>(side_);
  header.channels = 3;
  header.pixel_type = kPixelUint8;
  header.count = slots.size();
  header.pixel_bytes = pixel_bytes;
  header.index_bytes = index_bytes.size();
  header.index_crc = IndexCrc(index_bytes);
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
