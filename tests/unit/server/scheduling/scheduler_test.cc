#include "server/scheduling/scheduler.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

using Device = ScheduleInput::Device;

ScheduleInput Node(const std::vector<bool>& free_cpus, const std::vector<bool>& free_gpus) {
  ScheduleInput input;
  for (size_t i = 0; i < free_cpus.size(); ++i) {
    input.devices.push_back({absl::StrCat("cpu:", i), Device::Kind::kCpu, free_cpus[i]});
  }
  for (size_t i = 0; i < free_gpus.size(); ++i) {
    input.devices.push_back({absl::StrCat("gpu:", i), Device::Kind::kGpu, free_gpus[i]});
  }
  return input;
}

struct Case {
  const char* name;
  ScheduleInput node;
  std::vector<ScheduleInput::Waiting> queue;
  std::vector<std::string> expected;  // "uid: devices"
};

TEST(Schedule, FollowsThePolicy) {
  const std::vector<Case> cases = {
      {"nothing waits", Node({true}, {true}), {}, {}},
      {"one job takes the first free slots",
       Node({false, true, true}, {}),
       {{"a", 0, 2}},
       {"a: cpu:1 cpu:2"}},
      {"all that fit start in order",
       Node({true, true, true}, {}),
       {{"a", 0, 1}, {"b", 0, 2}},
       {"a: cpu:0", "b: cpu:1 cpu:2"}},
      {"a small job does not overtake a large one of its kind",
       Node({true, false}, {}),
       {{"large", 0, 2}, {"small", 0, 1}},
       {}},
      {"a CPU job does not wait for a GPU job",
       Node({true}, {false}),
       {{"g", 1, 0}, {"c", 0, 1}},
       {"c: cpu:0"}},
      {"a GPU job does not wait for a CPU job",
       Node({false}, {true}),
       {{"c", 0, 1}, {"g", 1, 0}},
       {"g: gpu:0"}},
      {"a job that wants both holds up both kinds",
       Node({true, true}, {false}),
       {{"both", 1, 1}, {"c", 0, 1}},
       {}},
      {"a job larger than the node is passed over",
       Node({true}, {}),
       {{"huge", 0, 8}, {"gpu", 1, 0}, {"fits", 0, 1}},
       {"fits: cpu:0"}},
      {"several GPUs", Node({}, {true, true, true}), {{"a", 2, 0}}, {"a: gpu:0 gpu:1"}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    ScheduleInput input = test.node;
    input.queue = test.queue;
    std::vector<std::string> actual;
    for (const Assignment& assignment : Schedule(input)) {
      actual.push_back(absl::StrCat(assignment.uid, ": ", absl::StrJoin(assignment.devices, " ")));
    }
    EXPECT_EQ(actual, test.expected);
  }
}

}  // namespace
}  // namespace skytrain
