// Curves of a job that measured much: curve_bench [POINTS]
//
// A fake worker measures POINTS (10,000,000) points of four metrics. When its job is over, the
// daemon is started anew, so that nothing is in its memory, and is asked for the curves as a plot
// wants them, for the longest that it gives, for a range of steps whole, and for every point as a
// stream of events. Prints how long the first and the last answer took, and the daemon's memory.
#include <algorithm>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/grpc/status.h"
#include "common/status_macros.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

constexpr int kTimes = 3;

double SecondsSince(absl::Time start) { return absl::ToDoubleSeconds(absl::Now() - start); }

absl::Status Ask(JobClient& client, const char* what, const v1::QueryMetricsRequest& request) {
  double first = 0, best = 0;
  int64_t points = 0, answered = 0;
  for (int i = 0; i < kTimes; ++i) {
    grpc::ClientContext context;
    v1::QueryMetricsResponse response;
    const absl::Time start = absl::Now();
    RETURN_IF_ERROR(FromGrpcStatus(client.stub().QueryMetrics(&context, request, &response)));
    const double seconds = SecondsSince(start);
    if (i == 0) first = seconds;
    best = i == 0 ? seconds : std::min(best, seconds);
    points = answered = 0;
    for (const v1::MetricCurve& curve : response.curves()) {
      points += curve.points();
      answered += curve.value_size();
    }
  }
  std::printf("%-22s %7lld of %8lld points: first %.2f s, best of %d %.2f s\n", what,
              static_cast<long long>(answered), static_cast<long long>(points), first, kTimes,
              best);
  return absl::OkStatus();
}

absl::Status Stream(JobClient& client, const std::string& job) {
  v1::WatchEventsRequest request;
  request.set_name(job);
  request.add_kinds(v1::METRICS);
  const absl::Time start = absl::Now();
  double first = 0;
  int64_t points = 0;
  RETURN_IF_ERROR(client.Watch(request, [&](const v1::WatchEventsResponse& response) {
    if (points == 0) first = SecondsSince(start);
    for (const v1::Event& event : response.events()) points += event.metrics().value_size();
    return true;
  }));
  std::printf("%-22s %7lld points: first %.3f s, all %.2f s\n", "every point, streamed",
              static_cast<long long>(points), first, SecondsSince(start));
  return absl::OkStatus();
}

absl::Status Run(int64_t points) {
  Daemon daemon;
  RETURN_IF_ERROR(daemon.Start());
  std::string job;
  {
    JobClient client(daemon.Connect());
    ASSIGN_OR_RETURN(const v1::Job created,
                     client.Create({{"points", absl::StrCat(points)}, {"steps", "1"}}));
    job = created.name();
    v1::JobState state = created.state();
    while (state != v1::SUCCEEDED) {
      ASSIGN_OR_RETURN(const v1::Job waited, client.Wait(job));
      state = waited.state();
      if (state == v1::FAILED) return absl::InternalError(waited.termination().message());
    }
  }
  daemon.Stop();
  RETURN_IF_ERROR(daemon.Start());
  JobClient client(daemon.Connect());
  std::printf("memory after the start %.0f MB\n", daemon.PeakRssBytes() / 1e6);
  v1::QueryMetricsRequest request;
  request.set_name(job);
  request.set_max_points(500);
  RETURN_IF_ERROR(Ask(client, "for a plot", request));
  request.clear_max_points();
  RETURN_IF_ERROR(Ask(client, "the longest", request));
  request.set_first_step(points / 8);
  request.set_last_step(points / 8 + 9'999);
  RETURN_IF_ERROR(Ask(client, "10,000 steps whole", request));
  RETURN_IF_ERROR(Stream(client, job));
  std::printf("memory, peak           %.0f MB\n", daemon.PeakRssBytes() / 1e6);
  return absl::OkStatus();
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) {
  int64_t points = 10'000'000;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &points) || points < 1))) {
    std::fprintf(stderr, "usage: curve_bench [POINTS]\n");
    return 2;
  }
  const absl::Status status = skytrain::Run(points);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
