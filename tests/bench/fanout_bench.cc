// One paced worker, many subscribers, one of whom never reads: fanout_bench [SECONDS]
//
// A fake worker measures 50,000 points a second, 50 in each step of a millisecond, for SECONDS
// (20); 200 subscribers follow over the Unix socket, one of whom stalls. Prints what share of its
// time the worker spent handing points over, whether every subscriber has got every byte, the
// daemon's peak memory, and its CPU time.
#include <grpcpp/generic/generic_stub.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

constexpr int kSubscribers = 200;
constexpr int kChannels = 10;
constexpr int64_t kPointsPerSecond = 50'000;

// A subscriber that counts bytes and decodes nothing.
struct Subscriber {
  enum class State { kStarting, kAsking, kReading, kFinishing };
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
  State state = State::kStarting;
  grpc::ByteBuffer buffer;
  grpc::Status status;
  int64_t bytes = 0;
  int64_t messages = 0;
};

class Subscribers {
 public:
  Subscribers(const Daemon& daemon, const std::string& job) {
    for (int i = 0; i < kChannels; ++i) stubs_.emplace_back(daemon.Connect());
    v1::WatchEventsRequest request;
    request.set_name(job);
    request.set_follow(true);
    const grpc::Slice slice(request.SerializeAsString());
    request_ = grpc::ByteBuffer(&slice, 1);
    for (int i = 0; i < kSubscribers; ++i) {
      Subscriber& one = *all_.emplace_back(std::make_unique<Subscriber>());
      one.call = stubs_[i % kChannels].PrepareCall(&one.context,
                                                   "/skytrain.v1.JobService/WatchEvents", &queue_);
      one.call->StartCall(&one);
    }
    // The first never reads.
    open_ = kSubscribers - 1;
  }

  ~Subscribers() {
    for (const auto& one : all_) one->context.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  // Reads until every stream but the stalled one has ended.
  void Run() {
    void* tag = nullptr;
    bool ok = false;
    while (open_ > 0 && queue_.Next(&tag, &ok)) Handle(*static_cast<Subscriber*>(tag), ok);
  }

  // True when all ended well with the same number of bytes.
  bool AllTheSame(int64_t* bytes, int64_t* messages) const {
    std::set<int64_t> sizes;
    for (size_t i = 1; i < all_.size(); ++i) {
      if (!all_[i]->status.ok()) return false;
      sizes.insert(all_[i]->bytes);
      *messages += all_[i]->messages;
    }
    *bytes = *sizes.begin();
    return sizes.size() == 1;
  }

 private:
  void Handle(Subscriber& one, bool ok) {
    switch (one.state) {
      case Subscriber::State::kStarting:
        one.state = Subscriber::State::kAsking;
        one.call->WriteLast(request_, grpc::WriteOptions(), &one);
        return;
      case Subscriber::State::kAsking:
        one.state = Subscriber::State::kReading;
        if (&one != all_[0].get()) one.call->Read(&one.buffer, &one);
        return;
      case Subscriber::State::kReading:
        if (ok) {
          // A sign of life carries no event, and not all get the same number of them.
          constexpr size_t kSignOfLife = 12;
          if (one.buffer.Length() > kSignOfLife) one.bytes += one.buffer.Length();
          ++one.messages;
          one.call->Read(&one.buffer, &one);
        } else {
          one.state = Subscriber::State::kFinishing;
          one.call->Finish(&one.status, &one);
        }
        return;
      case Subscriber::State::kFinishing:
        --open_;
        return;
    }
  }

  grpc::CompletionQueue queue_;
  std::vector<grpc::GenericStub> stubs_;
  std::vector<std::unique_ptr<Subscriber>> all_;
  grpc::ByteBuffer request_;
  int open_ = 0;
};

// User and system time of a process, in seconds.
double CpuSeconds(int pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

absl::Status Run(int64_t seconds) {
  Daemon daemon;
  RETURN_IF_ERROR(daemon.Start());
  JobClient client(daemon.Connect());
  const int64_t points = seconds * kPointsPerSecond;
  ASSIGN_OR_RETURN(const v1::Job job, client.Create({{"points", absl::StrCat(points)},
                                                     {"points_per_step", "50"},
                                                     {"pace_us", "1000"},
                                                     {"steps", "1"}}));
  const double cpu_before = CpuSeconds(daemon.pid());
  const absl::Time begin = absl::Now();
  int64_t bytes = 0, messages = 0;
  bool same = false;
  {
    Subscribers subscribers(daemon, job.name());
    subscribers.Run();
    same = subscribers.AllTheSame(&bytes, &messages);
  }
  const double took = absl::ToDoubleSeconds(absl::Now() - begin);
  const double cpu = CpuSeconds(daemon.pid()) - cpu_before;
  ASSIGN_OR_RETURN(const auto events, client.Events(job.name()));
  int64_t arrived = 0, gaps = 0;
  double share = -1;
  for (const v1::Event& event : events) {
    gaps += event.has_gap();
    for (int i = 0; i < event.metrics().value_size(); ++i) {
      const std::string& name = event.metrics().names(static_cast<int>(event.metrics().name(i)));
      if (name == "push_share") share = event.metrics().value(i);
      arrived += name.rfind("fake/", 0) == 0;
    }
  }
  std::printf("worker       %.4f %% of its time in PushMetric  (bar: 0.1 %%)\n", 100 * share);
  std::printf("records      %lld of %lld points, %lld gaps; all subscribers the same: %s\n",
              static_cast<long long>(arrived), static_cast<long long>(points),
              static_cast<long long>(gaps), same ? "yes" : "NO");
  std::printf("sent         %.1f MB to each of %d, in %.0f messages/s\n", bytes / 1e6,
              kSubscribers - 1, static_cast<double>(messages) / took);
  std::printf("daemon       peak %.0f MB (bar: 200), %.0f %% of one core over %.1f s\n",
              daemon.PeakRssBytes() / 1e6, 100 * cpu / took, took);
  daemon.Stop();
  const std::string log = daemon.Log();
  const size_t counts = log.rfind("batches_encoded");
  if (counts != std::string::npos) std::printf("daemon       %s", log.substr(counts).c_str());
  return arrived == points && gaps == 0 && same ? absl::OkStatus()
                                                : absl::DataLossError("records were lost");
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) {
  int64_t seconds = 20;
  if (argc > 2 || (argc == 2 && !absl::SimpleAtoi(argv[1], &seconds))) {
    std::fprintf(stderr, "usage: fanout_bench [SECONDS]\n");
    return 2;
  }
  const absl::Status status = skytrain::Run(seconds);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
