// What holds for every queue: random snapshots with fixed seeds, and a node simulated over time.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/serving_order.h"
#include "tests/unit/server/scheduling/node.h"

namespace skytrain {
namespace {

constexpr int kSeeds = 500;

class Random {
 public:
  explicit Random(int seed) : engine_(seed) {}
  int Below(int limit) { return static_cast<int>(engine_() % limit); }
  bool Chance(int percent) { return Below(100) < percent; }

 private:
  std::mt19937 engine_;
};

std::string Owner(int i) { return std::string(1, static_cast<char>('p' + i)); }

Node RandomNode(int seed) {
  Random random(seed);
  Node node(random.Below(5), random.Below(5));
  node.snapshot.running_jobs_per_owner = random.Below(4);
  const int devices = static_cast<int>(node.snapshot.devices.size());
  for (int i = 0; i < devices; ++i) {
    NodeDevice& device = node.snapshot.devices[i];
    if (random.Chance(40)) {
      RunningJob& job = node.Runs(absl::StrCat("r", i), {i}, Owner(random.Below(3)));
      job.priority = random.Below(3);
      job.preemptible = random.Chance(60);
      job.stopping = random.Chance(20);
      if (random.Chance(50)) job.ends = Noon() + absl::Minutes(random.Below(120) - 10);
    } else if (random.Chance(15)) {
      device.unavailable = "in use";
      device.settling = random.Chance(50);
    }
    if (random.Chance(10)) device.reserved_for = absl::StrCat("w", 10 + random.Below(20));
  }
  const int waiting = random.Below(30);
  for (int i = 0; i < waiting; ++i) {
    DeviceCounts wanted = {};
    wanted[random.Chance(50) ? kCpu : kGpu] = 1 + random.Below(4);
    if (random.Chance(10)) wanted = {1 + random.Below(2), 1 + random.Below(2)};
    WaitingJob& job = node.Waits(absl::StrCat("w", 10 + i), wanted, Owner(random.Below(3)));
    job.priority = random.Below(3);
    if (random.Chance(60)) job.time_limit = absl::Minutes(1 + random.Below(180));
    if (random.Chance(10)) job.not_before = Noon() + absl::Minutes(random.Below(3) - 1);
  }
  return node;
}

TEST(ScheduleProperty, EveryDecisionIsLegal) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const Node node = RandomNode(seed);
    const Snapshot& snapshot = node.snapshot;
    const Decisions decisions = Schedule(snapshot);
    std::set<int> busy;
    std::map<std::string, int> owned;
    for (const RunningJob& job : snapshot.running) {
      busy.insert(job.devices.begin(), job.devices.end());
      ++owned[job.owner];
    }
    std::set<int> settled;
    for (const Assignment& assignment : decisions.assignments) {
      const WaitingJob& job = *snapshot.waiting[assignment.waiting];
      DeviceCounts given = {};
      for (const int index : assignment.devices) {
        const NodeDevice& device = snapshot.devices[index];
        EXPECT_TRUE(busy.insert(index).second) << device.name << " is given twice";
        EXPECT_EQ(device.unavailable, "");
        EXPECT_TRUE(device.reserved_for.empty() || device.reserved_for == job.uid);
        ++given[device.kind];
      }
      EXPECT_EQ(given, job.wanted);
      EXPECT_LE(job.not_before, snapshot.now);
      ++owned[job.owner];
      EXPECT_TRUE(snapshot.running_jobs_per_owner == 0 ||
                  owned[job.owner] <= snapshot.running_jobs_per_owner);
      EXPECT_TRUE(settled.insert(assignment.waiting).second);
    }
    for (const Wait& wait : decisions.waits) EXPECT_TRUE(settled.insert(wait.waiting).second);
    EXPECT_EQ(settled.size(), snapshot.waiting.size());
    std::set<int> victims;
    for (const Preemption& preemption : decisions.preemptions) {
      const RunningJob& victim = snapshot.running[preemption.running];
      EXPECT_TRUE(victims.insert(preemption.running).second);
      EXPECT_TRUE(victim.preemptible && !victim.stopping);
      EXPECT_LT(victim.priority, snapshot.waiting[preemption.waiting]->priority);
    }
  }
}

TEST(ScheduleProperty, WithoutTimeLimitsNobodyPassesAnEarlierJobOfItsKind) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Node node = RandomNode(seed);
    for (NodeDevice& device : node.snapshot.devices) device.reserved_for.clear();
    for (auto& job : node.snapshot.waiting) {
      auto endless = std::make_shared<WaitingJob>(*job);
      endless->time_limit = absl::InfiniteDuration();
      job = endless;
    }
    const Decisions decisions = Schedule(node.snapshot);
    std::set<int> assigned;
    for (const Assignment& assignment : decisions.assignments) assigned.insert(assignment.waiting);
    std::map<int, Wait::Why> waits;
    for (const Wait& wait : decisions.waits) waits[wait.waiting] = wait.why;
    bool blocked[kDeviceKinds] = {};
    for (const int index : ServingOrder(node.snapshot)) {
      const DeviceCounts& wanted = node.snapshot.waiting[index]->wanted;
      for (const DeviceKind kind : kAllKinds) {
        if (assigned.contains(index)) {
          EXPECT_FALSE(wanted[kind] > 0 && blocked[kind]);
        } else if (waits[index] == Wait::Why::kDevices || waits[index] == Wait::Why::kTurn) {
          blocked[kind] |= wanted[kind] > 0;
        }
      }
    }
  }
}

TEST(ScheduleProperty, IsDeterministicWhateverTheOrderOfItsInput) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const Node node = RandomNode(seed);
    Node shuffled = node;
    std::mt19937 engine(seed);
    std::shuffle(shuffled.snapshot.waiting.begin(), shuffled.snapshot.waiting.end(), engine);
    std::shuffle(shuffled.snapshot.running.begin(), shuffled.snapshot.running.end(), engine);
    const Decisions decisions = Schedule(node.snapshot);
    const Decisions again = Schedule(shuffled.snapshot);
    EXPECT_EQ(node.Assignments(decisions), shuffled.Assignments(again));
    EXPECT_EQ(node.Preemptions(decisions), shuffled.Preemptions(again));
  }
}

// A node over time: jobs take `real` of their time limit, new small ones arrive without end.
TEST(ScheduleProperty, LargeJobStartsInAnEndlessStreamOfSmallOnes) {
  for (int seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Node node(0, 4);
    Snapshot& snapshot = node.snapshot;
    // Sorts before the small ones that come later, after those that were there before.
    node.Waits("m-large", {0, 4});
    bool started = false;
    for (int minute = 0; minute < 1000 && !started; ++minute) {
      snapshot.now = Noon() + absl::Minutes(minute);
      std::erase_if(snapshot.running, [&](const RunningJob& job) {
        return job.ends <= snapshot.now || (random.Chance(10));
      });
      for (int i = 0; i < 3; ++i) {
        WaitingJob& job = node.Waits(absl::StrCat(minute < 5 ? "a" : "z", 10000 + minute * 10 + i),
                                     {0, 1 + random.Below(2)});
        job.time_limit = absl::Minutes(1 + random.Below(60));
      }
      const Decisions decisions = Schedule(snapshot);
      std::set<int> gone;
      for (const Assignment& assignment : decisions.assignments) {
        const WaitingJob& job = *snapshot.waiting[assignment.waiting];
        started |= job.uid == "m-large";
        RunningJob& run = node.Runs(job.uid, assignment.devices);
        run.ends = snapshot.now + job.time_limit;
        gone.insert(assignment.waiting);
      }
      for (auto it = gone.rbegin(); it != gone.rend(); ++it) {
        snapshot.waiting.erase(snapshot.waiting.begin() + *it);
      }
      // By the limits, 15 small jobs of an hour at most on four GPUs, and then it is its turn.
      ASSERT_TRUE(started || minute < 15 * 60);
    }
    EXPECT_TRUE(started);
  }
}

}  // namespace
}  // namespace skytrain
