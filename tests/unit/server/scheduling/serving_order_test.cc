#include "server/scheduling/serving_order.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/unit/server/scheduling/node.h"

namespace skytrain {
namespace {

struct Case {
  const char* name;
  std::function<void(Node&)> fill;
  std::string expected;  // uids
};

TEST(ServingOrder, IsPriorityThenFairShareThenAge) {
  const std::vector<Case> cases = {
      {"age among equals",
       [](Node& node) {
         node.Waits("b", {1, 0});
         node.Waits("c", {1, 0});
         node.Waits("a", {1, 0});
       },
       "a b c"},
      {"priority before age",
       [](Node& node) {
         node.Waits("a", {1, 0}).priority = -5;
         node.Waits("b", {1, 0});
         node.Waits("c", {1, 0}).priority = 7;
       },
       "c b a"},
      {"owners who start level take turns",
       [](Node& node) {
         for (const char* uid : {"a", "b", "c"}) node.Waits(uid, {1, 0}, "ana");
         for (const char* uid : {"x", "y"}) node.Waits(uid, {1, 0}, "ben");
       },
       "a x b y c"},
      {"a large job counts as several turns",
       [](Node& node) {
         node.Waits("a", {2, 0}, "ana");
         node.Waits("b", {1, 0}, "ana");
         for (const char* uid : {"x", "y", "z"}) node.Waits(uid, {1, 0}, "ben");
       },
       "a x y b z"},
      {"who used more waits until the others had as much",
       [](Node& node) {
         node.snapshot.usage["ana"] = 2.5 * 3600;
         for (const char* uid : {"a", "b"}) node.Waits(uid, {1, 0}, "ana");
         for (const char* uid : {"w", "x", "y", "z"}) node.Waits(uid, {1, 0}, "ben");
       },
       "w x y a z b"},
      {"what runs counts",
       [](Node& node) {
         node.Runs("r", {0}, "ana");
         node.Waits("a", {1, 0}, "ana");
         node.Waits("b", {1, 0}, "ben");
       },
       "b a"},
      {"a GPU counts more than a core",
       [](Node& node) {
         node.Runs("r", {4}, "ana");  // gpu:0
         node.Runs("s", {0, 1}, "ben");
         node.Waits("a", {1, 0}, "ana");
         node.Waits("b", {1, 0}, "ben");
       },
       "b a"},
      {"fair share does not outweigh priority",
       [](Node& node) {
         node.snapshot.usage["ana"] = 1e9;
         node.Waits("a", {1, 0}, "ana").priority = 1;
         node.Waits("b", {1, 0}, "ben");
       },
       "a b"},
      {"a job in its pause uses up no turn",
       [](Node& node) {
         node.Waits("a", {1, 0}, "ana").not_before = Noon() + absl::Minutes(1);
         node.Waits("b", {1, 0}, "ana");
         node.Waits("x", {1, 0}, "ben");
       },
       "a b x"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    Node node(4, 1);
    test.fill(node);
    std::vector<std::string> order;
    for (const int index : ServingOrder(node.snapshot)) {
      order.push_back(node.snapshot.waiting[index]->uid);
    }
    EXPECT_EQ(absl::StrJoin(order, " "), test.expected);
  }
}

}  // namespace
}  // namespace skytrain
