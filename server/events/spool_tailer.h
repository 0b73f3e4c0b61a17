#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/attempt/attempt_dir.h"
#include "common/spool/spool.h"

namespace skytrain {

// Reads the spools of one attempt from where the database stands. How every frame is stored exactly
// once:
//   1. Construct it with the offsets that are stored in `spool_offsets`.
//   2. Read() hands out new frames; nothing is remembered yet.
//   3. The caller stores what became of them and MovedOffsets() in ONE transaction.
//   4. Committed: Commit(). Failed: Rollback(), and the same frames come again.
// A daemon that dies at any point begins again at 1. Not thread-safe.
class SpoolTailer {
 public:
  using Offsets = std::vector<std::pair<std::string, uint64_t>>;  // File name, offset.
  using Visitor =
      absl::FunctionRef<void(absl::string_view file, FrameType type, absl::string_view payload)>;

  SpoolTailer(const AttemptDir& attempt, const Offsets& stored);
  ~SpoolTailer();

  // What lies beyond `offset` was written after the attempt's end and is dropped.
  void SetEnd(const std::string& file, uint64_t offset);

  // Calls `visit` for the new frames of all spools, about `max_bytes` of them at most. The payload
  // is valid during the call only. Returns the bytes read; 0: nothing new.
  absl::StatusOr<int64_t> Read(int64_t max_bytes, Visitor visit);
  // Offsets that Read moved since the last Commit.
  Offsets MovedOffsets() const;
  void Commit();
  // Of all spools, as of the last Commit.
  uint64_t CommittedBytes() const;
  void Rollback();

  // True when every file has been read to its end as given by SetEnd: nothing will come any more.
  // A torn frame at that end counts as read.
  bool ReachedEnds() const;
  // Bytes that were written after the ends given by SetEnd, as far as they are there by now.
  uint64_t BytesBeyondEnds() const;
  // Damaged bytes that were skipped since the last call.
  uint64_t TakeSkippedBytes();

 private:
  struct Spool;
  absl::Status FindSpools();
  absl::Status ReadSpool(const std::string& file, Spool& spool, int64_t max_bytes, Visitor visit,
                         int64_t* read);

  const AttemptDir attempt_;
  std::map<std::string, Spool> spools_;  // By file name.
};

}  // namespace skytrain
