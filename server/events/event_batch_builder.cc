#include "server/events/event_batch_builder.h"

#include "common/wire.h"

namespace skytrain {
namespace {

constexpr size_t kBatchBytes = 64 << 10;
constexpr char kEventsTag = 0x0a;   // WatchEventsResponse.events = 1, length-delimited.
constexpr char kSeqTag = 0x08;      // Event.seq = 1, varint.
constexpr char kAttemptTag = 0x10;  // Event.attempt = 2, varint.

}  // namespace

void EventBatchBuilder::Reset(int64_t next_seq) {
  for (size_t i = 0; i < used_; ++i) {
    batches_[i].bytes.clear();
    // One huge event must not hold its memory for ever.
    if (batches_[i].bytes.capacity() > 4 * kBatchBytes) batches_[i].bytes.shrink_to_fit();
  }
  used_ = 0;
  bytes_ = 0;
  next_seq_ = next_seq;
}

void EventBatchBuilder::Append(absl::string_view event, int attempt) {
  suffix_.clear();
  suffix_.push_back(kSeqTag);
  AppendVarint(static_cast<uint64_t>(next_seq_), &suffix_);
  suffix_.push_back(kAttemptTag);
  AppendVarint(static_cast<uint64_t>(attempt), &suffix_);

  const size_t size = event.size() + suffix_.size();
  if (used_ == 0 || batches_[used_ - 1].bytes.size() + size > kBatchBytes) {
    if (used_ == batches_.size()) batches_.emplace_back();
    Batch& fresh = batches_[used_++];
    fresh.first_seq = next_seq_;
    fresh.count = 0;
    fresh.bytes.clear();
  }
  Batch& batch = batches_[used_ - 1];
  const size_t before = batch.bytes.size();
  batch.bytes.push_back(kEventsTag);
  AppendVarint(size, &batch.bytes);
  batch.bytes.append(event.data(), event.size());
  batch.bytes.append(suffix_);
  bytes_ += static_cast<int64_t>(batch.bytes.size() - before);
  ++batch.count;
  ++next_seq_;
}

}  // namespace skytrain
