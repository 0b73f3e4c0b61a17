// Submit to answer over the Unix socket: submit_bench [JOBS [FLAG OF THE DAEMON]…]
//
// Creates JOBS (200) jobs one after the other, each durable when it is answered, on a node without
// free devices, so that nothing but the submits runs; then as many from four clients at once.
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

absl::StatusOr<std::vector<double>> Submit(JobClient& client, int jobs) {
  std::vector<double> milliseconds;
  for (int i = 0; i < jobs; ++i) {
    const absl::Time start = absl::Now();
    RETURN_IF_ERROR(client.Create({}).status());
    milliseconds.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
  }
  return milliseconds;
}

void Print(const char* what, std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  const double median = milliseconds[milliseconds.size() / 2];
  std::printf("%-12s %zu submits: p50 %.2f ms, p90 %.2f ms, max %.2f ms  (%.2f x of 20 ms)\n", what,
              milliseconds.size(), median, milliseconds[milliseconds.size() * 9 / 10],
              milliseconds.back(), median / 20);
}

absl::Status Run(int jobs, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"--max-queued-jobs", "100000"});
  Daemon daemon(std::move(flags));
  RETURN_IF_ERROR(daemon.Start());
  JobClient client(daemon.Connect());
  // Also the inspection of the data set, which every client makes before a submit.
  RETURN_IF_ERROR(client.CreateHolder().status());
  ASSIGN_OR_RETURN(std::vector<double> alone, Submit(client, jobs));
  Print("one client", std::move(alone));

  constexpr int kClients = 4;
  std::vector<absl::StatusOr<std::vector<double>>> results(kClients, std::vector<double>());
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      JobClient own(daemon.Connect());
      results[i] = Submit(own, jobs / kClients);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<double> together;
  for (const auto& result : results) {
    RETURN_IF_ERROR(result.status());
    together.insert(together.end(), result->begin(), result->end());
  }
  if (!together.empty()) Print("four clients", std::move(together));
  return absl::OkStatus();
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) {
  int jobs = 200;
  if (argc > 1 && (!absl::SimpleAtoi(argv[1], &jobs) || jobs < 1)) {
    std::fprintf(stderr, "usage: submit_bench [JOBS [FLAG OF THE DAEMON]...]\n");
    return 2;
  }
  const absl::Status status = skytrain::Run(jobs, {argv + std::min(argc, 2), argv + argc});
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
