#include "common/spool/spool_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/mutex.h"
#include "common/spool/metric_columns.h"
#include "common/spool/spool.h"
#include "common/status_macros.h"
#include "common/timestamp.h"

namespace skytrain {
namespace {

using spool::MetricColumns;
using spool::Point;

constexpr size_t kRingSize = 1 << 16;
constexpr uint32_t kMaxNames = 1 << 16;
constexpr uint32_t kNoName = std::numeric_limits<uint32_t>::max();

// While points come, the writer looks for them by itself, so that the producer makes no system
// call: every kPause, or, when it has found more than a whole batch, every kBusyPause, before the
// ring is full. Only after kIdleLooks in vain does it sleep until it is called.
constexpr std::chrono::microseconds kPause(2000);
constexpr std::chrono::microseconds kBusyPause(300);
constexpr size_t kBusyPoints = 4096;
constexpr int kIdleLooks = 10;

}  // namespace

// The ring has one producer, the thread that calls PushMetric, and one consumer, whoever holds
// `file_mu`: the writer thread, or a caller of Write*, which must not wait for another thread.
// Locks are taken in the order file_mu, then one of the others.
struct SpoolQueue::Impl {
  // Names.
  Mutex names_mu;
  absl::flat_hash_map<std::string, uint32_t> index_of ABSL_GUARDED_BY(names_mu);
  std::deque<std::string> names ABSL_GUARDED_BY(names_mu);  // A deque, so that texts never move.

  // The ring: points [tail, head) wait. Both only grow.
  const std::unique_ptr<Point[]> ring = std::make_unique<Point[]>(kRingSize);
  alignas(64) std::atomic<uint64_t> head{0};
  uint64_t tail_seen = 0;  // The producer's copy of `tail`.
  std::atomic<uint64_t> dropped{0};
  alignas(64) std::atomic<uint64_t> tail{0};

  // The newest Progress that is not written yet.
  Mutex progress_mu;
  std::optional<v1::Event> progress ABSL_GUARDED_BY(progress_mu);
  std::atomic<bool> has_progress{false};

  // The writer thread sleeps on this word while it is 1.
  alignas(64) std::atomic<int> asleep{0};
  std::atomic<bool> stopping{false};
  std::thread thread;

  Mutex file_mu;
  std::unique_ptr<SpoolWriter> writer ABSL_GUARDED_BY(file_mu);
  MetricColumns columns ABSL_GUARDED_BY(file_mu);
  uint64_t lost ABSL_GUARDED_BY(file_mu) = 0;  // Not yet told by a Gap.
  std::string lost_because ABSL_GUARDED_BY(file_mu);

  // Wake() after a push and Sleep() both store, then load what the other one stores. With
  // sequential consistency (also of the stores to `head`, `has_progress` and `stopping`) one of
  // them sees the other, so no push stays unnoticed.
  void Wake() {
    if (asleep.load() != 0 && asleep.exchange(0) != 0) asleep.notify_one();
  }

  bool HasWork() const {
    return head.load() != tail.load(std::memory_order_relaxed) || has_progress.load() ||
           stopping.load();
  }

  void Sleep() {
    asleep.store(1);
    if (HasWork()) {
      asleep.store(0);
      return;
    }
    asleep.wait(1);
  }

  void Run() {
    int idle_looks = 0;
    while (!stopping.load(std::memory_order_relaxed)) {
      size_t written;
      {
        MutexLock lock(file_mu);
        written = Drain();
      }
      idle_looks = written == 0 ? idle_looks + 1 : 0;
      if (idle_looks > kIdleLooks) {
        Sleep();
        idle_looks = 0;
      } else {
        std::this_thread::sleep_for(written >= kBusyPoints ? kBusyPause : kPause);
      }
    }
  }

  // Writes what waited when it was called. How many points that were.
  size_t Drain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mu) {
    const uint64_t end = head.load(std::memory_order_acquire);
    const uint64_t begin = tail.load(std::memory_order_relaxed);
    for (uint64_t at = begin; at != end; ++at) {
      const Point& point = ring[at % kRingSize];
      const absl::string_view name = columns.Knows(point.name) ? "" : NameOf(point.name);
      if (!columns.Add(point, name)) {
        tail.store(at, std::memory_order_release);
        WriteColumns();
        columns.Add(point, NameOf(point.name));
      }
    }
    tail.store(end, std::memory_order_release);
    WriteColumns();
    TellLosses();
    WriteProgress();
    return static_cast<size_t>(end - begin);
  }

  absl::string_view NameOf(uint32_t index) ABSL_LOCKS_EXCLUDED(names_mu) {
    MutexLock lock(names_mu);
    return names[index];
  }

  void WriteColumns() ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mu) {
    const size_t count = columns.count();
    if (count == 0) return;
    const absl::Status status = writer->Append(FrameType::kEvent, columns.Finish(absl::Now()));
    if (status.ok()) return;
    lost += count;
    lost_because = std::string(status.message());
  }

  void TellLosses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mu) {
    if (const uint64_t full = dropped.exchange(0, std::memory_order_relaxed); full > 0) {
      lost += full;
      if (lost_because.empty()) lost_because = "metric points came faster than they can be written";
    }
    if (lost == 0) return;
    v1::Event event;
    *event.mutable_time() = ToTimestamp(absl::Now());
    event.mutable_gap()->set_records(static_cast<int64_t>(lost));
    event.mutable_gap()->set_reason(lost_because);
    // While the disk is full this fails too, and the count goes on.
    if (!writer->Append(FrameType::kEvent, event.SerializeAsString()).ok()) return;
    lost = 0;
    lost_because.clear();
  }

  void WriteProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(file_mu) ABSL_LOCKS_EXCLUDED(progress_mu) {
    if (!has_progress.load(std::memory_order_relaxed)) return;
    std::optional<v1::Event> event;
    {
      MutexLock lock(progress_mu);
      event.swap(progress);
      has_progress.store(false, std::memory_order_relaxed);
    }
    // A lost Progress is made good by the next.
    if (event.has_value()) {
      writer->Append(FrameType::kEvent, event->SerializeAsString()).IgnoreError();
    }
  }

  absl::Status WriteNow(FrameType type, absl::string_view payload, bool sync)
      ABSL_LOCKS_EXCLUDED(file_mu) {
    MutexLock lock(file_mu);
    Drain();
    RETURN_IF_ERROR(writer->Append(type, payload));
    return sync ? writer->Sync() : absl::OkStatus();
  }
};

SpoolQueue::SpoolQueue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

SpoolQueue::~SpoolQueue() {
  impl_->stopping.store(true);
  impl_->Wake();
  impl_->thread.join();
  MutexLock lock(impl_->file_mu);
  impl_->Drain();
}

absl::StatusOr<std::unique_ptr<SpoolQueue>> SpoolQueue::Create(FileSystem& fs,
                                                               const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<SpoolWriter> writer, SpoolWriter::Create(fs, path));
  auto impl = std::make_unique<Impl>();
  {
    MutexLock lock(impl->file_mu);
    impl->writer = std::move(writer);
  }
  return std::unique_ptr<SpoolQueue>(new SpoolQueue(std::move(impl)));
}

uint32_t SpoolQueue::NameIndex(absl::string_view name) {
  MutexLock lock(impl_->names_mu);
  if (const auto it = impl_->index_of.find(name); it != impl_->index_of.end()) return it->second;
  if (impl_->names.size() >= kMaxNames) return kNoName;
  const auto index = static_cast<uint32_t>(impl_->names.size());
  impl_->names.emplace_back(name);
  impl_->index_of.emplace(std::string(name), index);
  return index;
}

bool SpoolQueue::PushMetric(uint32_t name_index, int64_t step, uint32_t epoch, double value) {
  Impl& q = *impl_;
  const uint64_t head = q.head.load(std::memory_order_relaxed);
  if (head - q.tail_seen == kRingSize) q.tail_seen = q.tail.load(std::memory_order_acquire);
  if (head - q.tail_seen == kRingSize || name_index == kNoName) {
    q.dropped.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  q.ring[head % kRingSize] = Point{step, value, epoch, name_index};
  q.head.store(head + 1);
  q.Wake();
  return true;
}

void SpoolQueue::PushProgress(const v1::Progress& progress) {
  v1::Event event;
  *event.mutable_time() = ToTimestamp(absl::Now());
  *event.mutable_progress() = progress;
  {
    MutexLock lock(impl_->progress_mu);
    impl_->progress = std::move(event);
    impl_->has_progress.store(true);
  }
  impl_->Wake();
}

void SpoolQueue::Flush() {
  MutexLock lock(impl_->file_mu);
  impl_->Drain();
}

absl::Status SpoolQueue::WriteEvent(const v1::Event& event, bool sync) {
  if (event.has_time()) return impl_->WriteNow(FrameType::kEvent, event.SerializeAsString(), sync);
  v1::Event timed = event;
  *timed.mutable_time() = ToTimestamp(absl::Now());
  return impl_->WriteNow(FrameType::kEvent, timed.SerializeAsString(), sync);
}

absl::Status SpoolQueue::WriteRecord(const internal::v1::Record& record, bool sync) {
  if (record.has_time()) {
    return impl_->WriteNow(FrameType::kRecord, record.SerializeAsString(), sync);
  }
  internal::v1::Record timed = record;
  *timed.mutable_time() = ToTimestamp(absl::Now());
  return impl_->WriteNow(FrameType::kRecord, timed.SerializeAsString(), sync);
}

}  // namespace skytrain
