// A long queue: queue_bench [JOBS]
//
// Queues JOBS (10,000) jobs on a node without free devices, then measures, over the Unix socket:
// submits, pages of the list (newest, from all over the queue, and by a filter that few match), the
// start of a daemon that finds the queue, and of one that finds as many jobs that are over.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/grpc/status.h"
#include "common/status_macros.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

constexpr int kClients = 8;
constexpr int kSubmits = 200;
constexpr int kPages = 1000;

double MillisecondsSince(absl::Time start) {
  return absl::ToDoubleMilliseconds(absl::Now() - start);
}

void Print(const char* what, std::vector<double> times, double quantile, double bar) {
  std::sort(times.begin(), times.end());
  const size_t at = std::min(times.size() - 1, static_cast<size_t>(times.size() * quantile));
  std::printf(
      "%-22s %5zu calls: p50 %6.2f ms, p99 %6.2f ms, max %6.2f ms  (p%.0f is %.2f x of %g ms)\n",
      what, times.size(), times[times.size() / 2], times[times.size() * 99 / 100], times.back(),
      quantile * 100, times[at] / bar, bar);
}

// Calls `call` with each number below `count`, from several clients at once.
absl::Status ForEach(const Daemon& daemon, size_t count,
                     const std::function<absl::Status(JobClient&, size_t)>& call) {
  std::vector<absl::Status> results(kClients);
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, &result = results[i], i] {
      JobClient client(daemon.Connect());
      for (size_t j = i; j < count && result.ok(); j += kClients) result = call(client, j);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

absl::StatusOr<v1::ListJobsResponse> List(JobClient& client, const v1::ListJobsRequest& request) {
  grpc::ClientContext context;
  v1::ListJobsResponse response;
  RETURN_IF_ERROR(FromGrpcStatus(client.stub().ListJobs(&context, request, &response)));
  return response;
}

// Pages of 50, one after the other through the whole list, again and again.
absl::StatusOr<std::vector<double>> ListPages(JobClient& client, const std::string& filter,
                                              int pages) {
  std::vector<double> times;
  v1::ListJobsRequest request;
  request.set_filter(filter);
  while (static_cast<int>(times.size()) < pages) {
    const absl::Time start = absl::Now();
    ASSIGN_OR_RETURN(const v1::ListJobsResponse response, List(client, request));
    times.push_back(MillisecondsSince(start));
    request.set_page_token(response.next_page_token());
  }
  return times;
}

absl::Status MeasureStart(Daemon& daemon, const char* what) {
  daemon.Kill();
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(daemon.Start());
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::printf("start, jobs are %-10s  %.2f s  (%.2f x of 3 s), peak memory %.0f MB\n", what,
              seconds, seconds / 3, static_cast<double>(daemon.PeakRssBytes()) / 1e6);
  return absl::OkStatus();
}

// Ends every queued job.
absl::Status CancelAll(const Daemon& daemon) {
  JobClient client(daemon.Connect());
  v1::ListJobsRequest request;
  request.set_page_size(1000);
  request.add_states(v1::QUEUED);
  std::vector<std::string> names;
  do {
    ASSIGN_OR_RETURN(const v1::ListJobsResponse page, List(client, request));
    for (const v1::Job& job : page.jobs()) names.push_back(job.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return ForEach(daemon, names.size(),
                 [&](JobClient& own, size_t i) { return own.Cancel(names[i]).status(); });
}

absl::Status Run(int jobs) {
  Daemon daemon({"--max-queued-jobs", "1000000"});
  RETURN_IF_ERROR(daemon.Start());
  JobClient client(daemon.Connect());
  RETURN_IF_ERROR(client.CreateHolder().status());

  const absl::Time filling = absl::Now();
  RETURN_IF_ERROR(ForEach(daemon, jobs, [](JobClient& own, size_t i) {
    return own.Create({{"number", absl::StrCat(i % 1000)}}).status();
  }));
  std::printf("%d jobs queued by %d clients in %.1f s\n", jobs, kClients,
              absl::ToDoubleSeconds(absl::Now() - filling));

  std::vector<double> submits;
  for (int i = 0; i < kSubmits; ++i) {
    const absl::Time start = absl::Now();
    RETURN_IF_ERROR(client.Create({}).status());
    submits.push_back(MillisecondsSince(start));
  }
  Print("submit", std::move(submits), 0.5, 20);
  ASSIGN_OR_RETURN(std::vector<double> pages, ListPages(client, "", kPages));
  Print("list page", std::move(pages), 0.99, 20);
  ASSIGN_OR_RETURN(pages, ListPages(client, "state=QUEUED AND labels.'fake.number'=7", 50));
  Print("list page, filtered", std::move(pages), 0.99, 100);

  RETURN_IF_ERROR(MeasureStart(daemon, "queued"));
  RETURN_IF_ERROR(CancelAll(daemon));
  RETURN_IF_ERROR(MeasureStart(daemon, "over"));
  return absl::OkStatus();
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) {
  int jobs = 10'000;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &jobs) || jobs < 1))) {
    std::fprintf(stderr, "usage: queue_bench [JOBS]\n");
    return 2;
  }
  const absl::Status status = skytrain::Run(jobs);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
