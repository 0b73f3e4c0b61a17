#include "server/events/spool_tailer.h"

#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr uint64_t kNoEnd = std::numeric_limits<uint64_t>::max();

uint64_t FileSize(const AttemptDir& attempt, const std::string& file) {
  const auto info = attempt.files().Info(absl::StrCat(attempt.path(), "/", file));
  return info.ok() ? info->bytes : 0;
}

}  // namespace

struct SpoolTailer::Spool {
  uint64_t committed = 0;  // As stored.
  uint64_t position = 0;   // Of what Read gave out.
  uint64_t end = kNoEnd;
  bool exhausted = false;       // The last Read found nothing more.
  uint64_t skipped = 0;         // Damaged bytes not yet taken.
  uint64_t skipped_before = 0;  // Of `reader`, as of the last look.
  std::unique_ptr<SpoolReader> reader;
};

SpoolTailer::SpoolTailer(const AttemptDir& attempt, const Offsets& stored) : attempt_(attempt) {
  for (const auto& [file, offset] : stored) {
    Spool& spool = spools_[file];
    spool.committed = spool.position = offset;
  }
}

SpoolTailer::~SpoolTailer() = default;

void SpoolTailer::SetEnd(const std::string& file, uint64_t offset) {
  // Whoever wrote the exit record may name anything.
  if (AttemptDir::IsSpool(file)) spools_[file].end = offset;
}

absl::Status SpoolTailer::FindSpools() {
  const auto files = attempt_.Spools();
  if (absl::IsNotFound(files.status())) return absl::OkStatus();  // The folder was removed by hand.
  RETURN_IF_ERROR(files.status());
  for (const auto& [file, size] : *files) {
    Spool& spool = spools_[file];
    if (spool.reader != nullptr) continue;
    auto reader = SpoolReader::Open(absl::StrCat(attempt_.path(), "/", file), spool.position,
                                    attempt_.files());
    if (absl::IsNotFound(reader.status())) continue;
    RETURN_IF_ERROR(reader.status());
    spool.reader = *std::move(reader);
    spool.skipped_before = spool.reader->skipped_bytes();
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SpoolTailer::Read(int64_t max_bytes, Visitor visit) {
  RETURN_IF_ERROR(FindSpools());
  int64_t read = 0;
  for (auto& [file, spool] : spools_) {
    if (spool.reader == nullptr) continue;
    RETURN_IF_ERROR(ReadSpool(file, spool, max_bytes, visit, &read));
  }
  return read;
}

absl::Status SpoolTailer::ReadSpool(const std::string& file, Spool& spool, int64_t max_bytes,
                                    Visitor visit, int64_t* read) {
  spool.exhausted = false;
  while (*read < max_bytes && spool.position < spool.end) {
    FrameType type;
    absl::string_view payload;
    ASSIGN_OR_RETURN(const bool found, spool.reader->NextView(&type, &payload));
    if (!found || spool.reader->offset() > spool.end) {
      spool.exhausted = !spool.reader->in_damage();
      break;
    }
    *read += static_cast<int64_t>(spool.reader->offset() - spool.position);
    spool.position = spool.reader->offset();
    visit(file, type, payload);
  }
  const uint64_t skipped = spool.reader->skipped_bytes();
  spool.skipped += skipped - spool.skipped_before;
  spool.skipped_before = skipped;
  return absl::OkStatus();
}

SpoolTailer::Offsets SpoolTailer::MovedOffsets() const {
  Offsets moved;
  for (const auto& [file, spool] : spools_) {
    if (spool.position != spool.committed) moved.emplace_back(file, spool.position);
  }
  return moved;
}

void SpoolTailer::Commit() {
  for (auto& [file, spool] : spools_) spool.committed = spool.position;
}

uint64_t SpoolTailer::CommittedBytes() const {
  uint64_t bytes = 0;
  for (const auto& [file, spool] : spools_) bytes += spool.committed;
  return bytes;
}

void SpoolTailer::Rollback() {
  for (auto& [file, spool] : spools_) {
    if (spool.position == spool.committed) continue;
    spool.position = spool.committed;
    spool.reader.reset();  // Opened again, at that offset, by the next Read.
  }
}

bool SpoolTailer::ReachedEnds() const {
  for (const auto& [file, spool] : spools_) {
    if (spool.end == kNoEnd || spool.position >= spool.end) continue;
    // Not before all bytes are visible here (a network file system may show them late).
    const bool visible = FileSize(attempt_, file) >= spool.end;
    if (!visible || !spool.exhausted) return false;
  }
  return true;
}

uint64_t SpoolTailer::BytesBeyondEnds() const {
  uint64_t bytes = 0;
  for (const auto& [file, spool] : spools_) {
    if (spool.end == kNoEnd) continue;
    const uint64_t size = FileSize(attempt_, file);
    if (size > spool.end) bytes += size - spool.end;
  }
  return bytes;
}

uint64_t SpoolTailer::TakeSkippedBytes() {
  uint64_t skipped = 0;
  for (auto& [file, spool] : spools_) skipped += std::exchange(spool.skipped, 0);
  return skipped;
}

}  // namespace skytrain
