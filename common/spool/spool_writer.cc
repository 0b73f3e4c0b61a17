#include <sys/random.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/spool/spool.h"
#include "common/spool/spool_format.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using namespace spool;  // The constants of the format.

uint32_t RandomSalt() {
  uint32_t salt = 0;
  while (getrandom(&salt, sizeof(salt), 0) != static_cast<ssize_t>(sizeof(salt))) {
  }
  return salt;
}

std::string FileHeader(uint32_t salt) {
  std::string header(kFileHeaderSize, '\0');
  std::memcpy(header.data(), kMagic, sizeof(kMagic));
  StoreU32(kVersion, header.data() + 8);
  StoreU32(salt, header.data() + 12);
  StoreU32(MaskCrc(Crc32c(absl::string_view(header).substr(0, 16))), header.data() + 16);
  return header;
}

}  // namespace

struct SpoolWriter::Impl {
  std::string path;
  std::unique_ptr<WritableFile> file;
  uint32_t salt = 0;
  bool torn = false;   // The last write failed somewhere.
  std::string buffer;  // Frames that go out with one write.

  // Adds a frame to `buffer`, which will be written at `file->size()`.
  void Encode(FrameType type, absl::string_view payload) {
    const size_t room = RoomInBlock(file->size() + buffer.size());
    const size_t frame_size = kFrameHeaderSize + payload.size();
    // A frame crosses a block boundary only when it begins at one. So whatever is damaged, there is
    // a boundary soon after it at which a frame begins.
    if (frame_size > room && room != kBlockSize) buffer.append(room, '\0');
    const size_t start = buffer.size();
    buffer.resize(start + kFrameHeaderSize);
    StoreU32(static_cast<uint32_t>(payload.size() + 1), buffer.data() + start + 4);
    buffer[start + 8] = static_cast<char>(type);
    buffer.append(payload.data(), payload.size());
    StoreU32(FrameCrc(salt, absl::string_view(buffer).substr(start)), buffer.data() + start);
  }

  // Room for what a failed write may have left: a fresh block.
  void SkipTornFrame() {
    if (!std::exchange(torn, false)) return;
    const size_t room = RoomInBlock(file->size());
    if (room != kBlockSize) buffer.append(room, '\0');
  }

  absl::Status Flush() {
    const absl::Status status = file->Append(buffer);
    torn = !status.ok();
    buffer.clear();
    return status;
  }
};

SpoolWriter::SpoolWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SpoolWriter::~SpoolWriter() = default;

absl::StatusOr<std::unique_ptr<SpoolWriter>> SpoolWriter::Create(FileSystem& fs,
                                                                 const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->salt = RandomSalt();
  ASSIGN_OR_RETURN(impl->file, fs.CreateExclusive(path));
  // Without its header no frame of the file can be read, so it is made safe at once.
  RETURN_IF_ERROR(impl->file->Append(FileHeader(impl->salt)));
  RETURN_IF_ERROR(impl->file->Sync());
  RETURN_IF_ERROR(fs.SyncDir(ParentOf(path)));
  return std::unique_ptr<SpoolWriter>(new SpoolWriter(std::move(impl)));
}

absl::Status SpoolWriter::Append(FrameType type, absl::string_view payload) {
  if (payload.size() > kMaxPayload) {
    return absl::InvalidArgumentError(absl::StrCat("a record of ", payload.size(),
                                                   " bytes does not fit into ", impl_->path,
                                                   ": at most ", kMaxPayload));
  }
  impl_->SkipTornFrame();
  impl_->Encode(type, payload);
  return impl_->Flush();
}

absl::Status SpoolWriter::AppendAll(FrameType type, const std::string* payloads, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (payloads[i].size() > kMaxPayload) return Append(type, payloads[i]);  // Says what is wrong.
  }
  impl_->SkipTornFrame();
  for (size_t i = 0; i < count; ++i) impl_->Encode(type, payloads[i]);
  return impl_->Flush();
}

absl::Status SpoolWriter::Sync() { return impl_->file->Sync(); }
uint64_t SpoolWriter::size() const { return impl_->file->size(); }

}  // namespace skytrain
