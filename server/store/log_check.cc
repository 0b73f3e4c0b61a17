#include "server/store/log_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "server/store/checked_vfs.h"

namespace skytrain {
namespace {

// https://www.sqlite.org/fileformat2.html#walformat: a header, then frames of a header and a page.
// Numbers are big-endian.
constexpr int64_t kHeaderBytes = 32;
constexpr int64_t kFrameHeaderBytes = 24;
constexpr int64_t kFrameBytes = kFrameHeaderBytes + kPageBytes;
constexpr uint32_t kMagic = 0x377f0682;  // The lowest bit: checksums over big-endian words.
constexpr size_t kSaltBytes = 8;
constexpr size_t kNoteBytes = kSaltBytes + sizeof(int64_t) + sizeof(uint32_t);

std::string NotePath(const std::string& log_path) { return log_path + "-synced"; }

uint32_t BigEndian(const char* bytes) {
  const auto* b = reinterpret_cast<const unsigned char*>(bytes);
  return static_cast<uint32_t>(b[0]) << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

uint32_t LittleEndian(const char* bytes) { return __builtin_bswap32(BigEndian(bytes)); }

// The checksum of the log, which runs on from frame to frame.
class RunningSum {
 public:
  explicit RunningSum(bool big_endian) : big_endian_(big_endian) {}
  // A multiple of 8 bytes.
  void Add(absl::string_view bytes) {
    for (size_t i = 0; i < bytes.size(); i += 8) {
      first_ += Word(bytes.data() + i) + second_;
      second_ += Word(bytes.data() + i + 4) + first_;
    }
  }
  bool IsAt(const char* stored) const {
    return first_ == BigEndian(stored) && second_ == BigEndian(stored + 4);
  }

 private:
  uint32_t Word(const char* bytes) const {
    return big_endian_ ? BigEndian(bytes) : LittleEndian(bytes);
  }
  const bool big_endian_;
  uint32_t first_ = 0;
  uint32_t second_ = 0;
};

struct Note {
  std::string salt;
  int64_t end = 0;
};

std::string Encode(absl::string_view salt, int64_t end) {
  std::string bytes(salt);
  bytes.append(reinterpret_cast<const char*>(&end), sizeof(end));
  const uint32_t crc = MaskCrc(Crc32c(bytes));
  bytes.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  return bytes;
}

std::optional<Note> ReadNote(const std::string& log_path) {
  std::ifstream file(NotePath(log_path), std::ios::binary);
  std::string bytes(kNoteBytes, 0);
  if (!file.read(bytes.data(), kNoteBytes)) return std::nullopt;
  Note note{bytes.substr(0, kSaltBytes)};
  std::memcpy(&note.end, bytes.data() + kSaltBytes, sizeof(note.end));
  if (Encode(note.salt, note.end) != bytes) return std::nullopt;
  return note;
}

bool IsZero(absl::string_view bytes) {
  return bytes.find_first_not_of('\0') == absl::string_view::npos;
}

}  // namespace

LogNote::LogNote(std::string log_path) : path_(NotePath(log_path)) {
  if (auto note = ReadNote(log_path)) written_ = noted_ = {std::move(note->salt), note->end};
}

void LogNote::Writing(absl::string_view bytes, int64_t offset) {
  if (offset == 0 && bytes.size() == kHeaderBytes) {
    written_ = {std::string(bytes.substr(16, kSaltBytes)), kHeaderBytes};
    return;
  }
  if (bytes.size() != kFrameHeaderBytes || (offset - kHeaderBytes) % kFrameBytes != 0) return;
  written_.salt = std::string(bytes.substr(8, kSaltBytes));
  // Over a commit that SQLite gave up after its sync: it is not promised any more.
  if (written_.salt == noted_.salt && offset < noted_.end) Write({noted_.salt, offset});
  const bool commit = BigEndian(bytes.data() + 4) != 0;
  if (commit || written_.end > offset) written_.end = commit ? offset + kFrameBytes : offset;
}

void LogNote::Synced() {
  if (written_ != noted_ && written_.end > 0) Write(written_);
}

void LogNote::Remove() {
  unlink(path_.c_str());
  written_ = noted_ = {};
}

void LogNote::Write(const Mark& mark) {
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const std::string bytes = Encode(mark.salt, mark.end);
  if (pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size())) {
    noted_ = mark;
  }
  close(fd);
}

absl::Status CheckLog(const std::string& database_path) {
  const std::string path = database_path + "-wal";
  const std::optional<Note> note = ReadNote(path);
  std::ifstream file(path, std::ios::binary);
  std::string header(kHeaderBytes, 0);
  if (!note.has_value() || !file.read(header.data(), kHeaderBytes)) return absl::OkStatus();
  // A new log that a power loss kept from getting its header. No flip makes that of another one.
  if (IsZero(header)) return absl::OkStatus();
  RunningSum sum((BigEndian(header.data()) & 1) != 0);
  sum.Add(absl::string_view(header).substr(0, 24));
  if ((BigEndian(header.data()) & ~1u) != kMagic || !sum.IsAt(header.data() + 24)) {
    return absl::DataLossError(absl::StrCat("the header of ", path, " fails its checksum"));
  }
  // Of a log that was begun anew and not synced since.
  if (header.compare(16, kSaltBytes, note->salt) != 0) return absl::OkStatus();
  std::string frame(kFrameBytes, 0);
  for (int64_t end = kHeaderBytes + kFrameBytes; end <= note->end; end += kFrameBytes) {
    const auto damaged = [&] {
      return absl::DataLossError(absl::StrCat("frame ", end / kFrameBytes, " of the ",
                                              note->end / kFrameBytes, " synced ones of ", path,
                                              " fails its checksum"));
    };
    if (!file.read(frame.data(), kFrameBytes)) return damaged();
    sum.Add(absl::string_view(frame).substr(0, 8));
    sum.Add(absl::string_view(frame).substr(kFrameHeaderBytes));
    if (frame.compare(8, kSaltBytes, note->salt) != 0 || !sum.IsAt(frame.data() + 16)) {
      return damaged();
    }
  }
  return absl::OkStatus();
}

}  // namespace skytrain
