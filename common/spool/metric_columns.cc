#include "common/spool/metric_columns.h"

#include "common/spool/spool_format.h"
#include "common/wire.h"

namespace skytrain::spool {
namespace {

constexpr uint8_t Tag(int field, int wire_type) {
  return static_cast<uint8_t>(field << 3 | wire_type);
}
constexpr int kVarint = 0, kBytes = 2;

// Fields of Event and MetricBatch in event.proto, and of google.protobuf.Timestamp.
constexpr uint8_t kEventTime = Tag(3, kBytes);
constexpr uint8_t kEventMetrics = Tag(10, kBytes);
constexpr uint8_t kBatchNames = Tag(1, kBytes);
constexpr uint8_t kBatchName = Tag(2, kBytes);
constexpr uint8_t kBatchStep = Tag(3, kBytes);
constexpr uint8_t kBatchValue = Tag(4, kBytes);
constexpr uint8_t kBatchEpoch = Tag(5, kBytes);
constexpr uint8_t kTimeSeconds = Tag(1, kVarint);
constexpr uint8_t kTimeNanos = Tag(2, kVarint);

// The most that tags, lengths and the time take, and the most that one more point takes.
constexpr size_t kOverhead = 64;
constexpr size_t kLargestPoint = 3 + 10 + 8 + 5;
constexpr size_t kBudget = kBlockSize - kFrameHeaderSize - kOverhead - kLargestPoint;

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

void AppendField(uint8_t tag, absl::string_view bytes, std::string& out) {
  out.push_back(static_cast<char>(tag));
  AppendVarint(bytes.size(), &out);
  out.append(bytes.data(), bytes.size());
}

size_t FieldSize(size_t bytes) { return 1 + VarintSize(bytes) + bytes; }

std::string EncodeTime(absl::Time time) {
  const int64_t nanos = absl::ToUnixNanos(time);
  std::string encoded;
  encoded.push_back(static_cast<char>(kTimeSeconds));
  AppendVarint(static_cast<uint64_t>(nanos / 1000000000), &encoded);
  encoded.push_back(static_cast<char>(kTimeNanos));
  AppendVarint(static_cast<uint64_t>(nanos % 1000000000), &encoded);
  return encoded;
}

absl::string_view View(const void* data, size_t size) {
  return absl::string_view(static_cast<const char*>(data), size);
}

}  // namespace

void MetricColumns::Column::PutVarint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<uint8_t>(value | 0x80);
  bytes[size++] = static_cast<uint8_t>(value);
}

MetricColumns::MetricColumns() {
  name_.bytes.resize(kMaxPoints * 3);
  step_.bytes.resize(kMaxPoints * 10);
  epoch_.bytes.resize(kMaxPoints * 5);
  value_.resize(kMaxPoints);
}

bool MetricColumns::Add(const Point& point, absl::string_view name) {
  const size_t used =
      names_.size() + name_.size + step_.size + epoch_.size + count_ * sizeof(double);
  const bool known = Knows(point.name);
  const size_t text = known ? 0 : FieldSize(name.size());
  // A batch of one is always taken, however long its name: frames may be larger than a block.
  if (count_ == kMaxPoints || (count_ > 0 && used + text > kBudget)) return false;
  if (!known) {
    if (point.name >= local_.size()) local_.resize(point.name + 1);
    local_[point.name] = {batch_, name_count_++};
    AppendField(kBatchNames, name, names_);
  }
  name_.PutVarint(local_[point.name].index);
  step_.PutVarint(static_cast<uint64_t>(point.step));
  epoch_.PutVarint(point.epoch);
  value_[count_++] = point.value;
  return true;
}

absl::string_view MetricColumns::Finish(absl::Time time) {
  const size_t value_bytes = count_ * sizeof(double);
  const size_t batch_size = names_.size() + FieldSize(name_.size) + FieldSize(step_.size) +
                            FieldSize(value_bytes) + FieldSize(epoch_.size);
  event_.clear();
  AppendField(kEventTime, EncodeTime(time), event_);
  event_.push_back(static_cast<char>(kEventMetrics));
  AppendVarint(batch_size, &event_);
  event_ += names_;
  AppendField(kBatchName, View(name_.bytes.data(), name_.size), event_);
  AppendField(kBatchStep, View(step_.bytes.data(), step_.size), event_);
  AppendField(kBatchValue, View(value_.data(), value_bytes), event_);
  AppendField(kBatchEpoch, View(epoch_.bytes.data(), epoch_.size), event_);
  names_.clear();
  name_.size = step_.size = epoch_.size = 0;
  count_ = 0;
  name_count_ = 0;
  ++batch_;
  return event_;
}

}  // namespace skytrain::spool
