#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/file/posix_error.h"
#include "common/spool/spool.h"
#include "common/spool/spool_format.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using namespace spool;  // The constants of the format.

constexpr size_t kReadAhead = 256 * 1024;
// Of damage in one call, so that a file that is one large hole holds nobody up.
constexpr uint64_t kMostDamage = 64 << 20;

bool IsZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

}  // namespace

// A window [start, start + filled) of the file lies in `buffer`; `position` is where the next frame
// is looked for. Bytes that do not make a frame are read afresh before anything is concluded from
// them: the writer may have been in the middle of them.
struct SpoolReader::Impl {
  std::string path;
  int fd = -1;
  bool has_salt = false;
  uint32_t salt = 0;
  uint64_t position = 0;  // Where the next frame is looked for.
  uint64_t offset = 0;    // End of the last frame given, or what Open() was told.
  uint64_t skipped = 0;
  bool in_damage = false;
  std::unique_ptr<char[]> buffer = std::make_unique<char[]>(kReadAhead);
  size_t capacity = kReadAhead;
  uint64_t start = 0;
  size_t filled = 0;

  ~Impl() {
    if (fd >= 0) close(fd);
  }

  void Forget() { filled = 0; }

  // The bytes from `from` on, `want` of them or as many as the file has. Valid until the next call.
  absl::StatusOr<absl::string_view> Peek(uint64_t from, size_t want) {
    const bool inside = from >= start && from <= start + filled;
    if (!inside) filled = 0;
    if (filled == 0) start = from;
    size_t skip = static_cast<size_t>(from - start);
    if (filled - skip < want) {
      std::memmove(buffer.get(), buffer.get() + skip, filled - skip);
      filled -= skip;
      start = from;
      skip = 0;
      Reserve(want);
      RETURN_IF_ERROR(Fill(want));
    }
    return absl::string_view(buffer.get() + skip, std::min(want, filled - skip));
  }

  void Reserve(size_t size) {
    if (size <= capacity) return;
    auto larger = std::make_unique<char[]>(size + kReadAhead);
    std::memcpy(larger.get(), buffer.get(), filled);
    buffer = std::move(larger);
    capacity = size + kReadAhead;
  }

  absl::Status Fill(size_t want) {
    while (filled < want) {
      const ssize_t got =
          pread(fd, buffer.get() + filled, capacity - filled, static_cast<off_t>(start + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return PosixError(errno, "read", path);
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    return absl::OkStatus();
  }

  // OK and false while the header is not there yet.
  absl::StatusOr<bool> ReadFileHeader() {
    if (has_salt) return true;
    Forget();
    ASSIGN_OR_RETURN(const absl::string_view header, Peek(0, kFileHeaderSize));
    if (header.size() < kFileHeaderSize || IsZero(header)) {
      Forget();
      return false;
    }
    if (header.substr(0, sizeof(kMagic)) != absl::string_view(kMagic, sizeof(kMagic)) ||
        LoadU32(header.data() + 16) != MaskCrc(Crc32c(header.substr(0, 16)))) {
      return absl::DataLossError(absl::StrCat(path, " does not begin like a spool file"));
    }
    const uint32_t version = LoadU32(header.data() + 8);
    if (version != kVersion) {
      return absl::UnimplementedError(
          absl::StrCat(path, " has version ", version, "; this program reads version ", kVersion));
    }
    salt = LoadU32(header.data() + 12);
    has_salt = true;
    position = std::max<uint64_t>(position, kFileHeaderSize);
    return true;
  }

  // The whole frame at `at`, header included, or an empty view when there is none.
  absl::StatusOr<absl::string_view> FrameAt(uint64_t at) {
    const size_t room = RoomInBlock(at);
    if (room < kFrameHeaderSize) return absl::string_view();
    ASSIGN_OR_RETURN(const absl::string_view header, Peek(at, kFrameHeaderSize));
    if (header.size() < kFrameHeaderSize) return absl::string_view();
    const uint32_t length = LoadU32(header.data() + 4);
    if (length < 1 || length > kMaxPayload + 1) return absl::string_view();
    const size_t size = kFrameHeaderSize - 1 + length;
    if (size > room && room != kBlockSize) return absl::string_view();
    ASSIGN_OR_RETURN(const absl::string_view frame, Peek(at, size));
    if (frame.size() < size || frame[8] == 0) return absl::string_view();
    if (LoadU32(frame.data()) != FrameCrc(salt, frame)) return absl::string_view();
    return frame;
  }

  // The next frame at or after `position` (which it moves to the frame), or an empty view.
  absl::StatusOr<absl::string_view> FindFrame() {
    ASSIGN_OR_RETURN(absl::string_view frame, FrameAt(position));
    if (!frame.empty()) return frame;
    ASSIGN_OR_RETURN(frame, FrameAfterPadding());
    if (!frame.empty()) return frame;
    Forget();
    ASSIGN_OR_RETURN(frame, FrameAt(position));
    if (!frame.empty()) return frame;
    ASSIGN_OR_RETURN(frame, FrameAfterDamage());
    if (frame.empty()) Forget();
    return frame;
  }

  // The frame at the next block when nothing but zeros is before it.
  absl::StatusOr<absl::string_view> FrameAfterPadding() {
    const size_t room = RoomInBlock(position);
    if (room == kBlockSize) return absl::string_view();
    ASSIGN_OR_RETURN(const absl::string_view rest, Peek(position, room));
    if (rest.size() < room || !IsZero(rest)) return absl::string_view();
    ASSIGN_OR_RETURN(const absl::string_view frame, FrameAt(position + room));
    if (!frame.empty()) position += room;
    return frame;
  }

  // The first frame at a later block, with what is before it counted as skipped. Without one, what
  // lies at `position` is the tail, and may still become a frame.
  absl::StatusOr<absl::string_view> FrameAfterDamage() {
    const size_t room = RoomInBlock(position);
    ASSIGN_OR_RETURN(const absl::string_view rest, Peek(position, room));
    if (rest.size() < room) return absl::string_view();
    const uint64_t damage = room < kBlockSize && IsZero(rest) ? position + room : position;
    const uint64_t most = position + kMostDamage;
    for (uint64_t at = position + room;; at += kBlockSize) {
      ASSIGN_OR_RETURN(const absl::string_view frame, FrameAt(at));
      if (!frame.empty()) {
        skipped += at - damage;
        position = at;
        return frame;
      }
      ASSIGN_OR_RETURN(const absl::string_view some, Peek(at, 1));
      if (some.empty()) return absl::string_view();
      if (at >= most) {
        skipped += at - damage;
        position = at;
        in_damage = true;
        return absl::string_view();
      }
    }
  }
};

SpoolReader::SpoolReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SpoolReader::~SpoolReader() = default;

absl::StatusOr<std::unique_ptr<SpoolReader>> SpoolReader::Open(const std::string& path,
                                                               uint64_t offset, FileSystem& fs) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  ASSIGN_OR_RETURN(impl->fd, fs.Open(path, FileSystem::Access::kRead));
  impl->position = offset;
  impl->offset = offset;
  return std::unique_ptr<SpoolReader>(new SpoolReader(std::move(impl)));
}

absl::StatusOr<std::optional<Frame>> SpoolReader::Next() {
  FrameType type;
  absl::string_view payload;
  ASSIGN_OR_RETURN(const bool found, NextView(&type, &payload));
  if (!found) return std::nullopt;
  return Frame{type, std::string(payload), impl_->offset};
}

absl::StatusOr<bool> SpoolReader::NextView(FrameType* type, absl::string_view* payload) {
  impl_->in_damage = false;
  ASSIGN_OR_RETURN(const bool ready, impl_->ReadFileHeader());
  if (!ready) return false;
  ASSIGN_OR_RETURN(const absl::string_view frame, impl_->FindFrame());
  if (frame.empty()) return false;
  impl_->position += frame.size();
  impl_->offset = impl_->position;
  *type = static_cast<FrameType>(frame[8]);
  *payload = frame.substr(kFrameHeaderSize);
  return true;
}

uint64_t SpoolReader::offset() const { return impl_->offset; }
uint64_t SpoolReader::skipped_bytes() const { return impl_->skipped; }
bool SpoolReader::in_damage() const { return impl_->in_damage; }

}  // namespace skytrain
