#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace skytrain {

// Gives events their seq and packs them into rows of `event_batches`. A row's bytes are a
// serialized v1.WatchEventsResponse with nothing but `events`: tag 0x0a, length, event. Protobuf
// messages may be concatenated, the later value of a field wins: so `seq` and `attempt` are put
// behind an event's bytes, and whatever a worker wrote there is overruled without decoding it. Not
// thread-safe; reuse one, it keeps its buffers.
class EventBatchBuilder {
 public:
  struct Batch {
    int64_t first_seq = 0;
    int64_t count = 0;
    std::string bytes;
  };

  // Drops everything; the next event gets `next_seq`.
  void Reset(int64_t next_seq);
  // `event`: a serialized v1.Event.
  void Append(absl::string_view event, int attempt);

  int64_t next_seq() const { return next_seq_; }
  bool empty() const { return used_ == 0; }
  int64_t bytes() const { return bytes_; }
  absl::Span<const Batch> batches() const { return absl::MakeConstSpan(batches_.data(), used_); }

 private:
  std::vector<Batch> batches_;
  size_t used_ = 0;
  int64_t next_seq_ = 1;
  int64_t bytes_ = 0;
  std::string suffix_;
};

}  // namespace skytrain
