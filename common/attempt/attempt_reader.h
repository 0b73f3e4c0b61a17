#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/attempt/attempt_dir.h"
#include "common/spool/spool.h"
#include "skytrain/internal/v1/record.pb.h"

namespace skytrain {

// A frame of one of an attempt's spools. The views are valid until the sink returns.
struct AttemptFrame {
  absl::string_view file;  // "shepherd.spool", "rank-0.spool", …
  FrameType type;
  absl::string_view payload;
  uint64_t end_offset;
};

// Reads all spools of an attempt, those that appear later too. What a file holds comes in its
// order; between files there is none. Not thread-safe.
class AttemptReader {
 public:
  using Offsets = std::map<std::string, uint64_t>;  // By file name.

  // Begins where `offsets` says (an earlier end_offset), at the beginning of files not named there.
  explicit AttemptReader(AttemptDir dir, Offsets offsets = {});
  ~AttemptReader();

  // Hands new frames to `sink` until there are none or about `max_bytes` of payload were given; an
  // error of the sink ends the call and is returned (its frame counts as not read). How many
  // frames. Files take turns, so a busy one does not keep the others waiting.
  absl::StatusOr<size_t> Poll(uint64_t max_bytes,
                              absl::FunctionRef<absl::Status(const AttemptFrame&)> sink);

  // From now on frames that end beyond the sizes in the record are not given: a process that should
  // be dead wrote them. Files that the record does not name end at 0.
  void EndAt(const internal::v1::ExitRecord& record);

  Offsets offsets() const;         // Where each file is read up to.
  uint64_t skipped_bytes() const;  // Damage so far, in all files.

 private:
  struct File;
  // Opens what is new in the folder.
  absl::Status LookForFiles();
  absl::StatusOr<size_t> PollFile(const std::string& name, File& file, uint64_t max_bytes,
                                  uint64_t* bytes,
                                  absl::FunctionRef<absl::Status(const AttemptFrame&)> sink);

  AttemptDir dir_;
  Offsets start_;
  std::map<std::string, std::unique_ptr<File>> files_;
  bool ended_ = false;
  Offsets ends_;
};

// The newest RankResult record of a rank's spool; nullopt when the rank did not get so far. Looks
// at the file's end only, unless that holds none.
absl::StatusOr<std::optional<internal::v1::RankResult>> ReadRankResult(const std::string& spool);

}  // namespace skytrain
