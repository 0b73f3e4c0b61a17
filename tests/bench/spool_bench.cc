// Points per second through the queue into a file, and back out of it. Run by hand:
//   build/release/bin/spool_bench [--benchmark_filter=…]
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "common/spool/spool.h"
#include "common/spool/spool_queue.h"

namespace skytrain {
namespace {

class Folder {
 public:
  Folder() {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string NewFile() { return path_ + "/" + std::to_string(count_++) + ".spool"; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "spool_bench-XXXXXX").string();
  int count_ = 0;
};

constexpr int64_t kPoints = 10000000;

// What one push costs a training loop while the writer keeps up.
void BM_PushMetric(benchmark::State& state) {
  Folder folder;
  auto queue = SpoolQueue::Create(FileSystem::Posix(), folder.NewFile()).value();
  const uint32_t name = queue->NameIndex("train/loss");
  int64_t step = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(queue->PushMetric(name, step, 1, 0.5));
    if (++step % (1 << 14) == 0) {
      state.PauseTiming();
      queue->Flush();
      state.ResumeTiming();
    }
  }
}
BENCHMARK(BM_PushMetric);

// All points arrive: the pusher empties the ring itself when half of it is full.
void BM_PointsIntoAFile(benchmark::State& state) {
  Folder folder;
  for (auto _ : state) {
    auto queue = SpoolQueue::Create(FileSystem::Posix(), folder.NewFile()).value();
    std::vector<uint32_t> names;
    for (int i = 0; i < 4; ++i) names.push_back(queue->NameIndex("fake/" + std::to_string(i)));
    for (int64_t i = 0; i < kPoints; ++i) {
      if (i % (1 << 15) == 0) queue->Flush();
      queue->PushMetric(names[i % 4], i / 4, 1, static_cast<double>(i));
    }
    queue->Flush();
  }
  state.counters["points/s"] = benchmark::Counter(static_cast<double>(state.iterations() * kPoints),
                                                  benchmark::Counter::kIsRate);
}
BENCHMARK(BM_PointsIntoAFile)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_ReadFrames(benchmark::State& state) {
  Folder folder;
  const std::string path = folder.NewFile();
  auto writer = SpoolWriter::Create(FileSystem::Posix(), path).value();
  const std::vector<std::string> payloads(1000,
                                          std::string(static_cast<size_t>(state.range(0)), 'x'));
  while (writer->size() < 200000000) {
    if (!writer->AppendAll(FrameType::kEvent, payloads.data(), payloads.size()).ok()) std::abort();
  }
  int64_t frames = 0;
  for (auto _ : state) {
    auto reader = SpoolReader::Open(path, 0).value();
    FrameType type;
    absl::string_view payload;
    while (reader->NextView(&type, &payload).value()) ++frames;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * writer->size()));
  state.counters["frames/s"] =
      benchmark::Counter(static_cast<double>(frames), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_ReadFrames)->Arg(60)->Arg(1000)->Arg(30000)->Unit(benchmark::kMillisecond);

// From the push of one point, with the writer asleep, until a reader of the file has it.
void BM_LatencyOfOnePoint(benchmark::State& state) {
  Folder folder;
  const std::string path = folder.NewFile();
  auto queue = SpoolQueue::Create(FileSystem::Posix(), path).value();
  const uint32_t name = queue->NameIndex("train/loss");
  auto reader = SpoolReader::Open(path, 0).value();
  std::vector<double> microseconds;
  FrameType type;
  absl::string_view payload;
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const auto start = std::chrono::steady_clock::now();
    queue->PushMetric(name, 1, 1, 0.5);
    while (!reader->NextView(&type, &payload).value()) {
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(taken.count());
    microseconds.push_back(taken.count() * 1e6);
  }
  std::sort(microseconds.begin(), microseconds.end());
  state.counters["p50_us"] = microseconds[microseconds.size() / 2];
  state.counters["p99_us"] = microseconds[microseconds.size() * 99 / 100];
}
BENCHMARK(BM_LatencyOfOnePoint)->Unit(benchmark::kMicrosecond)->UseManualTime()->Iterations(500);

}  // namespace
}  // namespace skytrain

BENCHMARK_MAIN();
