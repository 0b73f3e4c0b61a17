// Jobs under a daemon that is killed again and again, while shepherds and workers die too. Clients
// do what they should: they repeat what was not answered, and take broken watches up again.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "server/store/connection.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

constexpr int kJobs = 40;
constexpr int kSlots = 8;

int KillsWanted() {
  const char* text = std::getenv("SKYTRAIN_CRASH_KILLS");
  int kills = 25;
  if (text != nullptr && !absl::SimpleAtoi(text, &kills)) ADD_FAILURE() << text;
  return kills;
}

void Sleep(absl::Duration time) { absl::SleepFor(time); }

// What becomes of a job, by its number.
enum class Plan { kTrain, kFail, kCrash, kCancel, kLoseWorker, kLoseShepherd };

Plan PlanOf(int number) {
  constexpr Plan kPlans[] = {Plan::kTrain, Plan::kFail,   Plan::kTrain,        Plan::kLoseWorker,
                             Plan::kTrain, Plan::kCancel, Plan::kLoseShepherd, Plan::kCrash};
  return kPlans[number % 8];
}

// One client with one job: submits it, follows it to its end, cancels it on the way when that is
// the plan.
class Client {
 public:
  Client(const Daemon& daemon, int number, int step_ms, const std::string& witness)
      : daemon_(daemon), number_(number), plan_(PlanOf(number)), witness_(witness) {
    labels_ = {{"epochs", "6"},
               {"steps", "10"},
               {"step_ms", absl::StrCat(step_ms)},
               {"log_bytes", "2000"},
               {"witness", witness}};
    if (plan_ == Plan::kFail) labels_["end"] = "NON_FINITE_LOSS";
    if (plan_ == Plan::kCrash) labels_["exit_code"] = "3";
  }

  void Run() {
    Submit();
    while (!over_) Follow();
  }

  Plan plan() const { return plan_; }
  const std::string& uid() const { return uid_; }
  const std::string& name() const { return name_; }
  const std::string& witness() const { return witness_; }
  bool submitted() const { return submitted_; }
  bool over() const { return over_; }
  bool cancelled() const { return cancelled_; }
  int reconnects() const { return reconnects_; }
  // Serialized, in the order in which the watches gave them.
  const std::vector<std::string>& events() const { return events_; }

  std::atomic<bool> lost_one{false};  // A process of its first attempt was killed.

 private:
  // Calls until an answer comes that is one.
  template <typename Call>
  auto Persist(const Call& call) {
    while (true) {
      JobClient client(daemon_.Connect());
      auto answer = call(client);
      const absl::Status& status = answer.status();
      if (status.ok() || !ReasonOf(status).empty()) {
        if (!absl::IsUnavailable(status)) return answer;
      }
      Sleep(absl::Milliseconds(20));
    }
  }

  void Submit() {
    const auto job = Persist([&](JobClient& client) {
      return client.Create(labels_, absl::StrCat("job-", number_),
                           absl::StrCat("request-", number_));
    });
    ASSERT_TRUE(job.ok()) << job.status();
    uid_ = job->uid();
    name_ = job->name();
    submitted_ = true;
  }

  void Follow() {
    JobClient client(daemon_.Connect());
    v1::WatchEventsRequest request;
    request.set_name(name_);
    request.set_after_seq(static_cast<int64_t>(events_.size()));
    request.set_follow(true);
    const absl::Status end = client.Watch(request, [&](const v1::WatchEventsResponse& response) {
      for (const v1::Event& event : response.events()) {
        EXPECT_EQ(event.seq(), static_cast<int64_t>(events_.size()) + 1) << name_;
        events_.push_back(event.SerializeAsString());
      }
      return !WantsToCancel();
    });
    if (WantsToCancel()) return Cancel();
    if (end.ok()) {
      over_ = true;
      return;
    }
    ++reconnects_;
    // Final answers would be a broken promise: nothing is wrong with this watch.
    EXPECT_TRUE(ReasonOf(end).empty() || absl::IsUnavailable(end)) << end;
    Sleep(absl::Milliseconds(20));
  }

  bool WantsToCancel() const {
    return plan_ == Plan::kCancel && !asked_ && events_.size() >= static_cast<size_t>(number_);
  }

  void Cancel() {
    asked_ = true;
    const auto job = Persist([&](JobClient& client) { return client.Cancel(name_); });
    cancelled_ = job.ok();
    if (!job.ok()) {
      EXPECT_EQ(ReasonOf(job.status()), "JOB_FINISHED") << job.status();
    }
  }

  const Daemon& daemon_;
  const int number_;
  const Plan plan_;
  const std::string witness_;
  std::map<std::string, std::string> labels_;
  std::string uid_, name_;
  std::vector<std::string> events_;
  bool asked_ = false;
  bool cancelled_ = false;
  int reconnects_ = 0;
  std::atomic<bool> submitted_{false};
  std::atomic<bool> over_{false};
};

// The job's events as they are in the database.
std::vector<std::string> StoredEvents(Connection& connection, const std::string& uid) {
  std::vector<std::string> events;
  auto select =
      connection.Prepare("SELECT events FROM event_batches WHERE job_uid = ?1 ORDER BY first_seq");
  EXPECT_TRUE(select.ok()) << select.status();
  select->BindText(1, uid);
  while (*select->Step()) {
    v1::WatchEventsResponse batch;
    EXPECT_TRUE(batch.ParseFromString(std::string(select->Blob(0))));
    for (const v1::Event& event : batch.events()) events.push_back(event.SerializeAsString());
  }
  return events;
}

// Which attempts ran, by what the workers left.
std::vector<int> AttemptsThatRan(const Client& client) {
  std::ifstream file(client.witness());
  std::vector<int> attempts;
  std::string how;
  for (int number = 0; file >> how >> number;) {
    EXPECT_EQ(how, "alone") << client.name() << " attempt " << number;
    attempts.push_back(number);
  }
  return attempts;
}

void CheckEnd(const Client& client, const v1::Job& job) {
  switch (client.plan()) {
    case Plan::kTrain:
      EXPECT_EQ(job.state(), v1::SUCCEEDED);
      break;
    case Plan::kFail:
      EXPECT_EQ(job.state(), v1::FAILED);
      EXPECT_EQ(job.termination().reason(), v1::NON_FINITE_LOSS);
      break;
    case Plan::kCrash:
      EXPECT_EQ(job.state(), v1::FAILED);
      EXPECT_EQ(job.termination().reason(), v1::WORKER_CRASHED);
      break;
    case Plan::kCancel:
      // A run that was complete before the wish reached it stays complete.
      if (!client.cancelled() || job.attempts().rbegin()->end() == v1::COMPLETED) {
        EXPECT_EQ(job.state(), v1::SUCCEEDED);
      } else {
        EXPECT_EQ(job.state(), v1::CANCELLED);
      }
      break;
    case Plan::kLoseWorker:
    case Plan::kLoseShepherd:
      EXPECT_EQ(job.state(), v1::SUCCEEDED);
      if (client.lost_one) {
        EXPECT_GE(job.attempts_size(), 2);
      }
      break;
  }
  const std::vector<int> ran = AttemptsThatRan(client);
  EXPECT_EQ(std::set<int>(ran.begin(), ran.end()).size(), ran.size()) << "an attempt ran twice";
  EXPECT_LE(static_cast<int>(ran.size()), job.attempts_size());
}

class CrashTest : public ::testing::Test {
 protected:
  // Kills the daemon `kills` times at random moments, and processes of jobs that are to lose one.
  void KillAround(int kills) {
    for (int kill = 0; kill < kills; ++kill) {
      Sleep(absl::Milliseconds(std::uniform_int_distribution<int>(0, 150)(random_)));
      KillAProcessOfAJob();
      busy_kills_ += !AllOver();
      daemon_.Kill();
      if (kill % 3 == 0) KillAProcessOfAJob();
      ASSERT_TRUE(daemon_.Launch().ok());
    }
  }

  void KillAProcessOfAJob() {
    for (const auto& client : clients_) {
      if (!client->submitted() || client->over() || client->lost_one) continue;
      const char* binary = client->plan() == Plan::kLoseWorker     ? "skytrain-fake-worker"
                           : client->plan() == Plan::kLoseShepherd ? "skytrain-shepherd"
                                                                   : nullptr;
      if (binary == nullptr || !daemon_.KillOf(binary, client->uid(), 1)) continue;
      client->lost_one = true;
      return;
    }
  }

  bool AllOver() const {
    for (const auto& client : clients_) {
      if (!client->over()) return false;
    }
    return true;
  }

  std::mt19937 random_{20240229};
  Daemon daemon_{{"--cpus", absl::StrCat(kSlots)}};
  std::vector<std::unique_ptr<Client>> clients_;
  int busy_kills_ = 0;
};

TEST_F(CrashTest, NothingIsLostAndNothingRunsTwiceHoweverOftenTheDaemonIsKilled) {
  const int kills = KillsWanted();
  ASSERT_TRUE(daemon_.Start().ok());
  const int step_ms = std::max(2, kills / 4);  // So that there are jobs to the last kill.
  std::vector<std::thread> threads;
  for (int number = 0; number < kJobs; ++number) {
    clients_.push_back(std::make_unique<Client>(daemon_, number, step_ms,
                                                absl::StrCat(daemon_.root(), "/witness-", number)));
  }
  for (const auto& client : clients_) threads.emplace_back([&client] { client->Run(); });
  KillAround(kills);
  for (std::thread& thread : threads) thread.join();

  JobClient asking(daemon_.Connect());
  std::map<std::string, v1::Job> jobs;
  v1::ListJobsRequest list;
  list.set_page_size(1000);
  grpc::ClientContext context;
  v1::ListJobsResponse listed;
  ASSERT_TRUE(asking.stub().ListJobs(&context, list, &listed).ok());
  EXPECT_EQ(listed.jobs_size(), kJobs) << "one for each request";
  for (const auto& client : clients_) {
    const auto job = asking.Get(client->name());
    ASSERT_TRUE(job.ok()) << job.status();
    SCOPED_TRACE(job->DebugString());
    EXPECT_EQ(job->uid(), client->uid());
    EXPECT_EQ(job->last_seq(), static_cast<int64_t>(client->events().size()));
    CheckEnd(*client, *job);
  }
  EXPECT_EQ(daemon_.PidOf("skytrain-fake-worker"), 0);
  daemon_.Stop();
  const auto connection =
      Connection::Open(daemon_.root() + "/state/skytrain.db", Connection::Mode::kReadOnly);
  ASSERT_TRUE(connection.ok()) << connection.status();
  int reconnects = 0, lost = 0;
  for (const auto& client : clients_) {
    EXPECT_EQ(client->events(), StoredEvents(**connection, client->uid())) << client->name();
    reconnects += client->reconnects();
    lost += client->lost_one;
  }
  EXPECT_GT(busy_kills_, kills / 2) << "the jobs were over too early for this to show anything";
  std::cout << kills << " kills of the daemon (" << busy_kills_ << " with jobs under way), " << lost
            << " of shepherds and workers, " << reconnects << " watches taken up again"
            << std::endl;
}

}  // namespace
}  // namespace skytrain
