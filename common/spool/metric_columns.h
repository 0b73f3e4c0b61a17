#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skytrain::spool {

// One measured value.
struct Point {
  int64_t step;
  double value;
  uint32_t epoch;
  uint32_t name;  // Index into the queue's names.
};

// Collects points and writes them as one serialized skytrain.v1.Event with a MetricBatch. The
// message classes would cost about ten times as much; this is the path that carries millions of
// points a second. Not thread-safe.
class MetricColumns {
 public:
  static constexpr size_t kMaxPoints = 4096;

  MetricColumns();
  // False, and nothing changed, when the batch is full: kMaxPoints, or as large as a spool block.
  // `name` is the text of `point.name`.
  bool Add(const Point& point, absl::string_view name);
  // True when Add() with this name index needs no text.
  bool Knows(uint32_t name_index) const {
    return name_index < local_.size() && local_[name_index].batch == batch_;
  }
  size_t count() const { return count_; }
  // The event; the columns are empty afterwards. Valid until the next call.
  absl::string_view Finish(absl::Time time);

 private:
  struct LocalName {
    uint32_t batch = 0;  // The batch in which `index` was given out.
    uint32_t index = 0;
  };
  // A buffer that varints are appended to, large enough for kMaxPoints of them.
  struct Column {
    std::vector<uint8_t> bytes;
    size_t size = 0;
    void PutVarint(uint64_t value);
  };

  std::vector<LocalName> local_;
  uint32_t batch_ = 1;
  uint32_t name_count_ = 0;
  std::string names_;  // Field 1 of MetricBatch, once per name, with its tag.
  Column name_, step_, epoch_;
  std::vector<double> value_;
  size_t count_ = 0;
  std::string event_;
};

}  // namespace skytrain::spool
