#include "server/scheduling/scheduler.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/unit/server/scheduling/node.h"

namespace skytrain {
namespace {

struct Case {
  const char* name;
  int cpus;
  int gpus;
  std::function<void(Node&)> fill;
  std::string assignments;
  std::string preemptions;
};

void Check(const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    Node node(test.cpus, test.gpus);
    test.fill(node);
    const Decisions decisions = Schedule(node.snapshot);
    EXPECT_EQ(absl::StrJoin(node.Assignments(decisions), ", "), test.assignments);
    EXPECT_EQ(absl::StrJoin(node.Preemptions(decisions), ", "), test.preemptions);
    EXPECT_EQ(decisions.assignments.size() + decisions.waits.size(), node.snapshot.waiting.size());
  }
}

TEST(Schedule, GivesFreeDevicesInOrder) {
  Check({
      {"nothing waits", 1, 1, [](Node&) {}, "", ""},
      {"the first free slots", 3, 0,
       [](Node& node) {
         node.Runs("r", {0});
         node.Waits("a", {2, 0});
       },
       "a: cpu:1 cpu:2", ""},
      {"all that fit", 3, 0,
       [](Node& node) {
         node.Waits("a", {1, 0});
         node.Waits("b", {2, 0});
       },
       "a: cpu:0, b: cpu:1 cpu:2", ""},
      {"a CPU job does not wait for a GPU job", 1, 1,
       [](Node& node) {
         node.Runs("r", {1});
         node.Waits("a", {0, 1});
         node.Waits("b", {1, 0});
       },
       "b: cpu:0", ""},
      {"a GPU job does not wait for a CPU job", 1, 1,
       [](Node& node) {
         node.Runs("r", {0});
         node.Waits("a", {1, 0});
         node.Waits("b", {0, 1});
       },
       "b: gpu:0", ""},
      {"a job that wants both holds up both kinds", 2, 1,
       [](Node& node) {
         node.Runs("r", {2});
         node.Waits("a", {1, 1});
         node.Waits("b", {1, 0});
       },
       "", ""},
      {"a job larger than the node is passed over", 1, 0,
       [](Node& node) {
         node.Waits("a", {8, 0});
         node.Waits("b", {0, 1});
         node.Waits("c", {1, 0});
       },
       "c: cpu:0", ""},
      {"several GPUs", 0, 3,
       [](Node& node) {
         node.Waits("a", {0, 2});
       },
       "a: gpu:0 gpu:1", ""},
      {"a device in use by others is not given", 0, 2,
       [](Node& node) {
         node.snapshot.devices[0].unavailable = "in use by pid 4711";
         node.Waits("a", {0, 1});
         node.Waits("b", {0, 1});
       },
       "a: gpu:1", ""},
      {"a job in its pause holds up nobody", 1, 0,
       [](Node& node) {
         node.Waits("a", {1, 0}).not_before = Noon() + absl::Seconds(1);
         node.Waits("b", {1, 0});
       },
       "b: cpu:0", ""},
      {"a pause that is over", 1, 0,
       [](Node& node) {
         node.Waits("a", {1, 0}).not_before = Noon();
       },
       "a: cpu:0", ""},
      {"an owner runs no more than one may", 4, 0,
       [](Node& node) {
         node.snapshot.running_jobs_per_owner = 2;
         node.Runs("r", {0}, "ana");
         for (const char* uid : {"a", "b", "c"}) node.Waits(uid, {1, 0}, "ana");
         node.Waits("d", {1, 0}, "ben");
       },
       "d: cpu:1, a: cpu:2", ""},
  });
}

TEST(Schedule, BackfillsByTimeLimits) {
  // Two of three GPUs run until 13:00; "a" wants all three.
  const auto blocked = [](Node& node) {
    node.Runs("r", {0, 1}).ends = Noon() + absl::Hours(1);
    node.Waits("a", {0, 3});
  };
  Check({
      {"ends before the first one could start", 0, 3,
       [&](Node& node) {
         blocked(node);
         node.Waits("b", {0, 1}).time_limit = absl::Hours(1);
       },
       "b: gpu:2", ""},
      {"would end after it", 0, 3,
       [&](Node& node) {
         blocked(node);
         node.Waits("b", {0, 1}).time_limit = absl::Hours(1) + absl::Seconds(1);
       },
       "", ""},
      {"has no time limit", 0, 3,
       [&](Node& node) {
         blocked(node);
         node.Waits("b", {0, 1});
       },
       "", ""},
      {"takes what the first one will not need", 0, 3,
       [&](Node& node) {
         node.Runs("r", {0, 1}).ends = Noon() + absl::Hours(1);
         node.Waits("a", {0, 2});
         node.Waits("b", {0, 1}).time_limit = absl::Hours(9);
       },
       "b: gpu:2", ""},
      {"what is left over is given once", 0, 4,
       [&](Node& node) {
         node.Runs("r", {0, 1}).ends = Noon() + absl::Hours(1);
         node.Waits("a", {0, 3});
         node.Waits("b", {0, 1}).time_limit = absl::Hours(9);
         node.Waits("c", {0, 1}).time_limit = absl::Hours(9);
       },
       "b: gpu:2", ""},
      {"no time limit never passes, whatever is left over", 0, 3,
       [&](Node& node) {
         node.Runs("r", {0, 1}).ends = Noon() + absl::Hours(1);
         node.Waits("a", {0, 2});
         node.Waits("b", {0, 1});
       },
       "", ""},
      {"behind a job that never ends, one that does may pass", 0, 2,
       [&](Node& node) {
         node.Runs("r", {0});
         node.Waits("a", {0, 2});
         node.Waits("b", {0, 1});
         node.Waits("c", {0, 1}).time_limit = absl::Hours(5);
       },
       "c: gpu:1", ""},
      {"only the first blocked job of a kind has a reservation", 0, 3,
       [&](Node& node) {
         blocked(node);
         node.Waits("b", {0, 2});
         node.Waits("c", {0, 1}).time_limit = absl::Minutes(59);
       },
       "c: gpu:2", ""},
      {"a job that should be over counts as free now", 0, 2,
       [&](Node& node) {
         node.Runs("r", {0}).ends = Noon() - absl::Hours(1);
         node.Waits("a", {0, 2});
         node.Waits("b", {0, 1}).time_limit = absl::Minutes(1);
       },
       "", ""},
  });
}

TEST(Schedule, PreemptsForHigherPriority) {
  const auto waits = [](Node& node, const char* uid, DeviceCounts wanted, int priority) {
    node.Waits(uid, wanted).priority = priority;
  };
  const auto runs = [](Node& node, const char* uid, std::vector<int> devices, int priority,
                       absl::Duration age = absl::Hours(1)) -> RunningJob& {
    RunningJob& job = node.Runs(uid, std::move(devices));
    job.preemptible = true;
    job.priority = priority;
    job.started = Noon() - age;
    return job;
  };
  Check({
      {"a preemptible job of lower priority", 1, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0);
         waits(node, "a", {1, 0}, 1);
       },
       "", "r for a"},
      {"never for the same priority", 1, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 1);
         waits(node, "a", {1, 0}, 1);
       },
       "", ""},
      {"never one that is not preemptible", 1, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0).preemptible = false;
         waits(node, "a", {1, 0}, 1);
       },
       "", ""},
      {"not when a free device will do", 2, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0);
         waits(node, "a", {1, 0}, 1);
       },
       "a: cpu:1", ""},
      {"the lowest priority first", 2, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 1);
         runs(node, "s", {1}, 0);
         waits(node, "a", {1, 0}, 2);
       },
       "", "s for a"},
      {"of these the youngest", 3, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0, absl::Hours(2));
         runs(node, "s", {1}, 0, absl::Minutes(1));
         runs(node, "t", {2}, 0, absl::Hours(3));
         waits(node, "a", {2, 0}, 2);
       },
       "", "s for a, r for a"},
      {"none that is not needed", 6, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0);
         runs(node, "s", {1}, 0);
         runs(node, "t", {2, 3, 4, 5}, 1);
         waits(node, "a", {4, 0}, 2);
       },
       "", "t for a"},
      {"none when all together would not suffice", 2, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0);
         runs(node, "s", {1}, 0).preemptible = false;
         waits(node, "a", {2, 0}, 1);
       },
       "", ""},
      {"none of another kind of device", 1, 1,
       [&](Node& node) {
         runs(node, "r", {0}, 0);
         runs(node, "s", {1}, 0);
         waits(node, "a", {0, 1}, 1);
       },
       "", "s for a"},
      {"not again while the first is stopping", 2, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0).stopping = true;
         runs(node, "s", {1}, 0);
         waits(node, "a", {1, 0}, 1);
       },
       "", ""},
      {"what is free and what comes free counts", 3, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0).stopping = true;
         runs(node, "s", {1}, 0);
         waits(node, "a", {3, 0}, 1);
       },
       "", "s for a"},
      {"two that wait, each its own", 2, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0, absl::Hours(2));
         runs(node, "s", {1}, 0);
         waits(node, "a", {1, 0}, 1);
         waits(node, "b", {1, 0}, 1);
         waits(node, "c", {1, 0}, 1);
       },
       "", "s for a, r for b"},
      {"what is set aside is given to no other", 2, 0,
       [&](Node& node) {
         runs(node, "r", {0}, 0);
         waits(node, "a", {2, 0}, 1);
         node.Waits("b", {1, 0}).time_limit = absl::Seconds(1);
       },
       "", "r for a"},
      {"a device that comes back in seconds is waited for", 0, 2,
       [&](Node& node) {
         node.snapshot.devices[0].unavailable = "gives its memory back";
         node.snapshot.devices[0].settling = true;
         runs(node, "r", {1}, 0);
         waits(node, "a", {0, 1}, 1);
       },
       "", ""},
      {"not for a job whose owner runs as many as one may", 2, 0,
       [&](Node& node) {
         node.snapshot.running_jobs_per_owner = 1;
         runs(node, "r", {0, 1}, 0);
         waits(node, "a", {1, 0}, 1);
       },
       "", ""},
  });
}

TEST(Schedule, KeepsWhatAPreemptedJobGaveUpForTheOneThatAsked) {
  Check({
      {"another of the same priority and older does not get it", 1, 0,
       [](Node& node) {
         node.snapshot.devices[0].reserved_for = "b";
         node.Waits("a", {1, 0}).priority = 1;
         node.Waits("b", {1, 0}).priority = 1;
       },
       "b: cpu:0", ""},
      {"nor one that would only fill a gap", 3, 0,
       [](Node& node) {
         node.snapshot.devices[0].reserved_for = "b";
         node.snapshot.devices[1].reserved_for = "b";
         RunningJob& stopping = node.Runs("r", {1});
         stopping.stopping = true;
         stopping.ends = Noon() + absl::Minutes(1);
         node.Runs("s", {2});
         node.Waits("b", {2, 0}).priority = 1;
         node.Waits("c", {1, 0}).time_limit = absl::Seconds(1);
       },
       "", ""},
      {"the asker takes it though an earlier job is blocked", 2, 0,
       [](Node& node) {
         node.snapshot.devices[0].reserved_for = "b";
         node.Runs("r", {1});
         node.Waits("a", {2, 0}).priority = 1;
         node.Waits("b", {1, 0}).priority = 1;
       },
       "b: cpu:0", ""},
  });
}

TEST(Schedule, ForecastsStartsByTimeLimits) {
  Node node(2, 0);
  node.Runs("r", {0}).ends = Noon() + absl::Hours(1);
  node.Runs("s", {1}).ends = Noon() + absl::Hours(3);
  node.Waits("a", {1, 0}).time_limit = absl::Hours(1);
  node.Waits("b", {2, 0}).time_limit = absl::Hours(5);
  node.Waits("c", {1, 0});
  node.Waits("d", {2, 0});
  node.Waits("e", {1, 0}).not_before = Noon() + absl::Minutes(7);
  const Decisions decisions = Schedule(node.snapshot);
  EXPECT_EQ(node.WaitOf(decisions, "a")->expected_start, Noon() + absl::Hours(1));
  EXPECT_EQ(node.WaitOf(decisions, "b")->expected_start, Noon() + absl::Hours(3));
  EXPECT_EQ(node.WaitOf(decisions, "c")->expected_start, Noon() + absl::Hours(8));
  // "c" has no time limit, so nobody knows.
  EXPECT_EQ(node.WaitOf(decisions, "d")->expected_start, absl::InfiniteFuture());
  EXPECT_EQ(node.WaitOf(decisions, "e")->expected_start, Noon() + absl::Minutes(7));
}

TEST(Schedule, ForecastsTheStartAfterAPreemptionByTheVictimsGrace) {
  Node node(1, 0);
  node.Runs("r", {0}).preemptible = true;
  node.Waits("a", {1, 0}).priority = 1;
  const Decisions decisions = Schedule(node.snapshot);
  EXPECT_EQ(node.WaitOf(decisions, "a")->expected_start, Noon() + absl::Seconds(60));
}

}  // namespace
}  // namespace skytrain
