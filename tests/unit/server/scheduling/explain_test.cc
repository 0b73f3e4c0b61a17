#include "server/scheduling/explain.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/unit/server/scheduling/node.h"

namespace skytrain {
namespace {

std::string Seen(absl::string_view owner, absl::string_view name) {
  return owner == "ana" ? absl::StrCat("your ", name) : absl::StrCat(owner, "'s ", name);
}

struct Case {
  std::function<void(Node&)> fill;
  std::string expected;  // Of the job "w".
};

TEST(Explain, SaysWhatAJobWaitsForAndUntilWhen) {
  const std::vector<Case> cases = {
      {[](Node& node) {
         node.Waits("w", {0, 4});
         node.Runs("sweep", {2, 3}, "ben").ends = Noon() + absl::Minutes(140);
       },
       "waits for 4 GPUs (2 free; ben's sweep ends about 14:20)"},
      {[](Node& node) {
         node.Waits("w", {0, 4});
         node.Runs("sweep", {2, 3}, "ben").ends = Noon() + absl::Hours(14);
       },
       "waits for 4 GPUs (2 free; ben's sweep ends about Mar  2 02:00)"},
      {[](Node& node) {
         node.Waits("w", {0, 4});
         node.Runs("sweep", {2}, "ana");
       },
       "waits for 4 GPUs (3 free; your sweep has no time limit)"},
      {[](Node& node) {
         node.Waits("w", {0, 4});
         node.snapshot.devices[5].unavailable = "in use by pid 4711 (python, user ben)";
       },
       "waits for 4 GPUs (3 free; gpu:3 in use by pid 4711 (python, user ben))"},
      {[](Node& node) {
         node.Waits("w", {2, 0});
         node.Waits("a", {2, 0});
         node.Runs("r", {0, 1}).stopping = true;
       },
       "waits for 2 CPU slots, after your a"},
      {[](Node& node) {
         node.Waits("w", {1, 0}).priority = 5;
         node.Runs("r", {0, 1}, "ben").preemptible = true;
       },
       "waits for ben's r, which writes a checkpoint and makes way"},
      {[](Node& node) {
         node.Waits("w", {1, 0}).not_before = Noon() + absl::Minutes(2);
       },
       "tries again at 12:02, after a failed attempt"},
      {[](Node& node) {
         node.snapshot.running_jobs_per_owner = 1;
         node.Waits("w", {1, 0});
         node.Runs("r", {0});
       },
       "waits until another job of its owner ends: one may run 1 job at once"},
      {[](Node& node) {
         node.Waits("w", {0, 8});
       },
       "wants 8 GPUs; this node has 4 GPUs and 2 CPU slots"},
  };
  for (const Case& test : cases) {
    Node node(2, 4);
    test.fill(node);
    const Decisions decisions = Schedule(node.snapshot);
    const Wait* wait = node.WaitOf(decisions, "w");
    ASSERT_NE(wait, nullptr) << test.expected;
    EXPECT_EQ(Explain(node.snapshot, *wait, Seen, absl::UTCTimeZone()), test.expected);
  }
}

TEST(DevicesInWords, CountsThem) {
  EXPECT_EQ(DevicesInWords({1, 0}), "1 CPU slot");
  EXPECT_EQ(DevicesInWords({0, 1}), "1 GPU");
  EXPECT_EQ(DevicesInWords({3, 2}), "2 GPUs and 3 CPU slots");
}

}  // namespace
}  // namespace skytrain
