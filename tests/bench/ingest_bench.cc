// Metric points from a worker to a subscriber, end to end: ingest_bench [POINTS]
//
// A fake worker pushes POINTS (10,000,000) points through its spool; a subscriber follows over the
// Unix socket from the start and checks that every point arrives, in order. Prints points/s from
// the first to the last point seen, the daemon's peak memory, and, from a slow run with one point
// at a time, how long a point takes from its push to the subscriber.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

constexpr int kPointsPerStep = 4;  // fake/0 … fake/3

struct Throughput {
  int64_t points = 0;
  int64_t events = 0;
  int64_t bytes = 0;
  double seconds = 0;
};

absl::StatusOr<Throughput> MeasureThroughput(JobClient& client, int64_t points) {
  ASSIGN_OR_RETURN(const v1::Job job,
                   client.Create({{"points", absl::StrCat(points)}, {"steps", "1"}}));
  v1::WatchEventsRequest request;
  request.set_name(job.name());
  request.set_follow(true);
  Throughput result;
  absl::Time first, last;
  int64_t next_seq = 1;
  absl::Status wrong;
  const auto check = [&](const v1::Event& event) {
    if (event.seq() != next_seq++) {
      wrong = absl::DataLossError(absl::StrCat("seq ", event.seq(), " came as ", next_seq - 1));
    }
    const v1::MetricBatch& batch = event.metrics();
    for (int i = 0; i < batch.value_size(); ++i) {
      if (batch.names(batch.name(i)).rfind("fake/", 0) != 0) continue;
      if (batch.value(i) != result.points || batch.step(i) != result.points / kPointsPerStep) {
        wrong = absl::DataLossError(absl::StrCat("point ", result.points, " is ", batch.value(i)));
      }
      if (result.points++ == 0) first = absl::Now();
    }
  };
  RETURN_IF_ERROR(client.Watch(request, [&](const v1::WatchEventsResponse& response) {
    for (const v1::Event& event : response.events()) check(event);
    result.events += response.events_size();
    result.bytes += response.ByteSizeLong();
    if (result.points < points) last = absl::Now();
    return wrong.ok();
  }));
  RETURN_IF_ERROR(wrong);
  if (result.points != points) {
    return absl::DataLossError(absl::StrCat(result.points, " points of ", points, " arrived"));
  }
  result.seconds = absl::ToDoubleSeconds(last - first);
  return result;
}

// Milliseconds from the push (event time) to the subscriber, for one point at a time.
absl::StatusOr<std::vector<double>> MeasureLatency(JobClient& client) {
  ASSIGN_OR_RETURN(const v1::Job job, client.Create({{"steps", "200"}, {"step_ms", "20"}}));
  v1::WatchEventsRequest request;
  request.set_name(job.name());
  request.set_follow(true);
  std::vector<double> milliseconds;
  RETURN_IF_ERROR(client.Watch(request, [&](const v1::WatchEventsResponse& response) {
    const absl::Time now = absl::Now();
    for (const v1::Event& event : response.events()) {
      if (event.metrics().value_size() != 1) continue;
      const absl::Time pushed =
          absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
      milliseconds.push_back(absl::ToDoubleMilliseconds(now - pushed));
    }
    return true;
  }));
  std::sort(milliseconds.begin(), milliseconds.end());
  return milliseconds;
}

absl::Status Run(int64_t points) {
  Daemon daemon;
  RETURN_IF_ERROR(daemon.Start());
  JobClient client(daemon.Connect());
  ASSIGN_OR_RETURN(const Throughput throughput, MeasureThroughput(client, points));
  const double rate = throughput.points / throughput.seconds;
  std::printf(
      "throughput  %lld points in %lld events, %.0f MB, %.2f s: %.2f M points/s  (%.2f x of 1 M)\n",
      static_cast<long long>(throughput.points), static_cast<long long>(throughput.events),
      throughput.bytes / 1e6, throughput.seconds, rate / 1e6, rate / 1e6);
  const double rss = daemon.PeakRssBytes() / 1e6;
  std::printf("memory      daemon's peak %.0f MB  (%.2f x of 150 MB)\n", rss, rss / 150);
  ASSIGN_OR_RETURN(const std::vector<double> latency, MeasureLatency(client));
  if (latency.empty()) return absl::InternalError("no single points arrived");
  const double median = latency[latency.size() / 2];
  std::printf(
      "latency     %zu single points: p50 %.2f ms, p90 %.2f ms, max %.2f ms  (%.2f x of 20 ms)\n",
      latency.size(), median, latency[latency.size() * 9 / 10], latency.back(), median / 20);
  return absl::OkStatus();
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) {
  int64_t points = 10'000'000;
  if (argc > 2 || (argc == 2 && !absl::SimpleAtoi(argv[1], &points))) {
    std::fprintf(stderr, "usage: ingest_bench [POINTS]\n");
    return 2;
  }
  const absl::Status status = skytrain::Run(points);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
