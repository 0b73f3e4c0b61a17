#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/file/file_system.h"

namespace skytrain {

// What a frame's payload is. Zero is never written: a hole in a file must not look like a frame.
enum class FrameType : uint8_t {
  kEvent = 1,  // skytrain.v1.Event without `seq` and `attempt`; the daemon appends these two fields
               // to the bytes.
  kRecord = 2,  // skytrain.internal.v1.Record.
};

struct Frame {
  FrameType type;
  std::string payload;
  uint64_t end_offset =
      0;  // Of the first byte after it: where a reader that has stored this frame goes on.
};

// Appends frames to a new spool file. Not thread-safe. The format is in README.md.
class SpoolWriter {
 public:
  // ALREADY_EXISTS when `path` exists: a spool has one writer in its life.
  static absl::StatusOr<std::unique_ptr<SpoolWriter>> Create(FileSystem& fs,
                                                             const std::string& path);
  ~SpoolWriter();

  // At most 4 MiB of payload, else INVALID_ARGUMENT. RESOURCE_EXHAUSTED when the disk is full: the
  // torn frame is skipped by readers, and the next Append starts at a fresh block.
  absl::Status Append(FrameType type, absl::string_view payload);
  // Appends several frames with one write.
  absl::Status AppendAll(FrameType type, const std::string* payloads, size_t count);
  absl::Status Sync();
  uint64_t size() const;

 private:
  struct Impl;
  explicit SpoolWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads frames of a file that may still grow. Not thread-safe.
class SpoolReader {
 public:
  // `offset`: 0 or an end_offset. NOT_FOUND while there is no file, FAILED_PRECONDITION where there
  // is something else.
  static absl::StatusOr<std::unique_ptr<SpoolReader>> Open(const std::string& path, uint64_t offset,
                                                           FileSystem& fs = FileSystem::Posix());
  ~SpoolReader();

  // The next whole frame, or nullopt when there is none yet (the end of the file, a torn or
  // zero-filled tail). Damaged bytes in the middle are skipped to the next block and counted.
  absl::StatusOr<std::optional<Frame>> Next();
  // As Next(), without a copy: `payload` is valid until the next call.
  absl::StatusOr<bool> NextView(FrameType* type, absl::string_view* payload);
  uint64_t offset() const;         // End of the last frame that Next() gave.
  uint64_t skipped_bytes() const;  // Damaged so far.
  // The last call gave nothing because it met more damage than one call looks through (64 MiB): the
  // next one goes on behind it.
  bool in_damage() const;

 private:
  struct Impl;
  explicit SpoolReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace skytrain
