#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/file/file_system.h"
#include "skytrain/internal/v1/record.pb.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain {

// Stands between a training loop and its spool. Telemetry goes through a bounded lock-free ring to
// a writer thread, which packs what waits into MetricBatch events (one point alone goes out at
// once, or within 2 ms of another; under load up to 4096 points share an event). While points come
// at least every 20 ms, a push is a store and no system call. When the ring is full, points are
// dropped and a Gap event says how many; the training loop never waits for a disk. Events that must
// not be lost (state, checkpoint, report, result) take the slow path: Write* return when everything
// pushed before and the event itself are in the file, in order; with `sync` also on the disk.
// PushMetric: one thread. The rest: thread-safe.
class SpoolQueue {
 public:
  static absl::StatusOr<std::unique_ptr<SpoolQueue>> Create(FileSystem& fs,
                                                            const std::string& path);
  ~SpoolQueue();  // Writes out what waits.

  // Index of a metric's name, for PushMetric. At most 65,536 names.
  uint32_t NameIndex(absl::string_view name);
  // Wait-free. False when the point was dropped.
  bool PushMetric(uint32_t name_index, int64_t step, uint32_t epoch, double value);
  // Newest wins: a Progress that no one has written yet is replaced.
  void PushProgress(const v1::Progress& progress);
  // `event` without seq and attempt; its time is filled in when it is unset.
  absl::Status WriteEvent(const v1::Event& event, bool sync);
  // Returns when everything pushed before is in the file, or was lost and is told by a Gap.
  void Flush();
  absl::Status WriteRecord(const internal::v1::Record& record, bool sync);

 private:
  struct Impl;
  explicit SpoolQueue(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace skytrain
