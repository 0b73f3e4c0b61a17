#include "server/data/decode.h"

#include <atomic>

#include "common/digest/hash64.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "server/data/cache.h"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

using Visit = std::function<bool(size_t sample, absl::string_view bytes)>;

// Calls `visit` with the bytes of each sample of container `c` from up to `threads` threads.
absl::Status ReadSamples(const SampleIndex& index, size_t c, int threads, const Visit& visit) {
  const Container& container = *index.containers[c];
  std::vector<size_t> wanted, sample_of(container.entries().size());
  for (size_t i = 0; i < index.samples.size(); ++i) {
    if (index.samples[i].container != c) continue;
    wanted.push_back(index.samples[i].entry);
    sample_of[index.samples[i].entry] = i;
  }
  return container.Read(wanted, threads, [&](size_t entry, absl::string_view bytes) {
    return visit(sample_of[entry], bytes);
  });
}

ImageReport ReportOf(const absl::StatusOr<ImageSize>& size) {
  if (!size.ok()) return {std::string(size.status().message()), 0, 0, 0};
  return {"", size->width, size->height, size->undefined};
}

// Counts images and passes the count on, about two hundred times in all, from one thread at a time.
class Progress {
 public:
  Progress(const std::function<void(int64_t, int64_t)>& report, int64_t total)
      : report_(report), total_(total) {}
  void Add() {
    const int64_t done = done_.fetch_add(1) + 1;
    if (!report_ || (done % (total_ / 200 + 1) != 0 && done != total_)) return;
    MutexLock lock(mu_);
    report_(done, total_);
  }

 private:
  const std::function<void(int64_t, int64_t)>& report_;
  const int64_t total_;
  std::atomic<int64_t> done_{0};
  Mutex mu_;  // One report at a time.
};

CacheIndex MakeIndex(const SampleIndex& index, const Sources& sources,
                     const std::vector<ImageReport>& reports, const std::vector<uint64_t>& digests,
                     std::vector<int64_t>& slots) {
  CacheIndex out;
  out.manifest = MakeManifest(index, sources, reports);
  out.classes = index.classes;
  out.splits = index.splits;
  out.target_names = index.target_names;
  const size_t columns = index.target_names.size();
  for (size_t i = 0; i < reports.size(); ++i) {
    if (!reports[i].problem.empty()) continue;
    slots.push_back(static_cast<int64_t>(i));
    out.ids.push_back(index.samples[i].id);
    out.labels.push_back(index.samples[i].label);
    out.sample_splits.push_back(index.samples[i].split);
    out.targets.insert(out.targets.end(), index.targets.begin() + i * columns,
                       index.targets.begin() + (i + 1) * columns);
    out.digests.push_back(digests[i]);
    if (!index.weights.empty()) out.weights.push_back(index.weights[i]);
    if (!index.groups.empty()) out.groups.push_back(index.groups[i]);
    if (!index.positions.empty()) {
      out.positions.insert(out.positions.end(), index.positions.begin() + 2 * i,
                           index.positions.begin() + 2 * (i + 1));
    }
  }
  return out;
}

}  // namespace

absl::Status DecodeIntoCache(const SampleIndex& index, const Sources& sources, const View& view,
                             const std::string& path, const DecodeOptions& options) {
  const auto total = static_cast<int64_t>(index.samples.size());
  const int side = CanvasSize(view);
  ASSIGN_OR_RETURN(const auto writer, CacheWriter::Create(path, total, side));
  std::vector<ImageReport> reports(index.samples.size());
  std::vector<uint64_t> digests(index.samples.size());
  Progress progress(options.progress, total);
  std::atomic<bool> stopped{false};
  Mutex mu;
  absl::Status write_error;
  const auto decode = [&](size_t i, absl::string_view bytes) {
    if (stopped.load() || (options.stop && options.stop())) {
      stopped.store(true);
      return false;
    }
    thread_local std::vector<uint8_t> canvas;
    canvas.resize(size_t{3} * side * side);
    reports[i] = ReportOf(DecodeToCanvas(bytes, view, canvas.data()));
    if (reports[i].problem.empty()) {
      digests[i] = Hash64({reinterpret_cast<const char*>(canvas.data()), canvas.size()});
      const absl::Status put = writer->PutImage(static_cast<int64_t>(i), canvas.data());
      if (!put.ok()) {
        MutexLock lock(mu);
        write_error = put;
        return false;
      }
    }
    progress.Add();
    return true;
  };
  for (size_t c = 0; c < index.containers.size(); ++c) {
    RETURN_IF_ERROR(ReadSamples(index, c, options.threads, decode));
    if (stopped.load()) return Stopped();
    RETURN_IF_ERROR(write_error);
  }
  std::vector<int64_t> slots;
  const CacheIndex cache_index = MakeIndex(index, sources, reports, digests, slots);
  return writer->Commit(slots, cache_index);
}

absl::StatusOr<std::vector<ImageReport>> ReadHeaders(const SampleIndex& index) {
  constexpr int kThreads = 2;
  std::vector<ImageReport> reports(index.samples.size());
  for (const Sample& sample : index.samples) {
    const std::optional<ImageSize> size = index.containers[sample.container]->image_size();
    if (size.has_value()) reports[&sample - index.samples.data()] = ReportOf(*size);
  }
  for (size_t c = 0; c < index.containers.size(); ++c) {
    if (index.containers[c]->image_size().has_value()) continue;
    RETURN_IF_ERROR(ReadSamples(index, c, kThreads, [&](size_t i, absl::string_view bytes) {
      reports[i] = ReportOf(ReadImageSize(bytes));
      return true;
    }));
  }
  return reports;
}

std::vector<ImageReport> HeadersUnread(const SampleIndex& index) {
  return std::vector<ImageReport>(index.samples.size());
}

}  // namespace skytrain::data
