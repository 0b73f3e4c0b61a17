#pragma once

#include <cstdint>
#include <string>

#include "common/spool/spool.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain {

// Moves what one rank prints on one stream from its pipe into the shepherd's spool, as LogChunk
// events. It never stops reading, so that a rank never waits for its log: beyond the quota, and
// while the disk is full, bytes are dropped and counted, and Gap events say so. Not thread-safe.
class LogCapture {
 public:
  // `fd` must not block and outlives this. `quota`: bytes that are kept.
  LogCapture(int rank, v1::LogChunk::Stream stream, int fd, uint64_t quota, SpoolWriter& spool);

  // Reads what is there. False at the end of the stream.
  bool Read();
  // Reads the rest and tells how much was dropped. Call once, after the rank has left.
  void Finish();

  int fd() const { return fd_; }
  // The end of what was read, at most 2 KiB: a rank's last words.
  const std::string& last_words() const { return last_words_; }

 private:
  void Store(absl::string_view data);
  void WriteGap(uint64_t records, std::string reason);
  std::string Source() const;  // "rank 0 stderr"

  const int rank_;
  const v1::LogChunk::Stream stream_;
  const int fd_;
  const uint64_t quota_;
  SpoolWriter& spool_;
  uint64_t kept_ = 0;
  uint64_t dropped_ = 0;
  bool quota_told_ = false;
  std::string last_words_;
};

// Adds the shepherd's own line to the log (rank -1).
void WriteOwnLine(absl::string_view text, SpoolWriter& spool);

}  // namespace skytrain
