#include "common/attempt/attempt_reader.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/spool/spool_format.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using internal::v1::RankResult;

constexpr uint64_t kTurn = 1 << 20;  // Bytes of one file before the next has its turn.
constexpr uint64_t kTailBlocks = 4;  // In which a result is looked for first.

absl::StatusOr<std::optional<RankResult>> LastResultFrom(const std::string& spool,
                                                         uint64_t offset) {
  ASSIGN_OR_RETURN(const auto reader, SpoolReader::Open(spool, offset));
  std::optional<RankResult> result;
  FrameType type;
  absl::string_view payload;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, reader->NextView(&type, &payload));
    if (!found) return result;
    if (type != FrameType::kRecord) continue;
    internal::v1::Record record;
    if (record.ParseFromArray(payload.data(), static_cast<int>(payload.size())) &&
        record.has_rank_result()) {
      result = std::move(*record.mutable_rank_result());
    }
  }
}

}  // namespace

struct AttemptReader::File {
  std::unique_ptr<SpoolReader> reader;
  bool waiting = false;  // `pending` was read, but the sink did not take it.
  FrameType type;
  std::string pending;
  uint64_t taken = 0;  // End of the last frame that the sink took.
};

AttemptReader::AttemptReader(AttemptDir dir, Offsets offsets)
    : dir_(std::move(dir)), start_(std::move(offsets)) {}

AttemptReader::~AttemptReader() = default;

absl::Status AttemptReader::LookForFiles() {
  ASSIGN_OR_RETURN(const auto spools, dir_.Spools());
  for (const auto& [name, size] : spools) {
    if (files_.contains(name)) continue;
    auto file = std::make_unique<File>();
    const auto start = start_.find(name);
    file->taken = start == start_.end() ? 0 : start->second;
    ASSIGN_OR_RETURN(file->reader, SpoolReader::Open(absl::StrCat(dir_.path(), "/", name),
                                                     file->taken, dir_.files()));
    files_.emplace(name, std::move(file));
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> AttemptReader::PollFile(
    const std::string& name, File& file, uint64_t max_bytes, uint64_t* bytes,
    absl::FunctionRef<absl::Status(const AttemptFrame&)> sink) {
  const auto end = ends_.find(name);
  const uint64_t limit = !ended_ ? UINT64_MAX : end == ends_.end() ? 0 : end->second;
  size_t frames = 0;
  for (uint64_t done = 0; done < kTurn && *bytes < max_bytes; ++frames) {
    absl::string_view payload = file.pending;
    if (!file.waiting) {
      ASSIGN_OR_RETURN(const bool found, file.reader->NextView(&file.type, &payload));
      if (!found) break;
    }
    const uint64_t end_offset = file.reader->offset();
    if (end_offset > limit) {
      if (!file.waiting) file.pending = std::string(payload);
      file.waiting = true;
      break;
    }
    if (absl::Status status = sink({name, file.type, payload, end_offset}); !status.ok()) {
      if (!file.waiting) file.pending = std::string(payload);
      file.waiting = true;
      return status;
    }
    done += payload.size() + 1;
    *bytes += payload.size() + 1;
    file.waiting = false;
    file.taken = end_offset;
  }
  return frames;
}

absl::StatusOr<size_t> AttemptReader::Poll(
    uint64_t max_bytes, absl::FunctionRef<absl::Status(const AttemptFrame&)> sink) {
  RETURN_IF_ERROR(LookForFiles());
  size_t total = 0;
  uint64_t bytes = 0;
  for (bool progress = true; progress && bytes < max_bytes;) {
    progress = false;
    for (auto& [name, file] : files_) {
      ASSIGN_OR_RETURN(const size_t frames, PollFile(name, *file, max_bytes, &bytes, sink));
      total += frames;
      progress |= frames > 0;
    }
  }
  return total;
}

void AttemptReader::EndAt(const internal::v1::ExitRecord& record) {
  ended_ = true;
  ends_.clear();
  for (const auto& spool : record.spools()) {
    ends_[spool.file()] = static_cast<uint64_t>(spool.bytes());
  }
}

AttemptReader::Offsets AttemptReader::offsets() const {
  Offsets offsets = start_;
  for (const auto& [name, file] : files_) offsets[name] = file->taken;
  return offsets;
}

uint64_t AttemptReader::skipped_bytes() const {
  uint64_t skipped = 0;
  for (const auto& [name, file] : files_) skipped += file->reader->skipped_bytes();
  return skipped;
}

absl::StatusOr<std::optional<RankResult>> ReadRankResult(const std::string& spool) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(spool, error);
  const uint64_t blocks = error ? 0 : size / spool::kBlockSize;
  if (blocks > kTailBlocks) {
    // A reader that begins at a block boundary finds the next frame by itself.
    const uint64_t tail = (blocks - kTailBlocks) * spool::kBlockSize;
    ASSIGN_OR_RETURN(const auto result, LastResultFrom(spool, tail));
    if (result.has_value()) return result;
  }
  return LastResultFrom(spool, 0);
}

}  // namespace skytrain
