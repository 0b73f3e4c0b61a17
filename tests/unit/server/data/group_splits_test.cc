// Fractions and folds of samples that must stay together.
#include "server/data/group_splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace skytrain::data {
namespace {

// 600 samples of 3 classes (300, 240, 60) in 150 groups of 1 to 7, most of them of one class.
struct World {
  ClassPool pool{3};
  std::vector<int32_t> groups;
};
World MakeWorld() {
  World world;
  for (int i = 0; i < 600; ++i) {
    world.pool[i % 10 < 5 ? 0 : i % 10 < 9 ? 1 : 2].push_back(i);
    world.groups.push_back((i * 7 + i % 3) / 28);
  }
  return world;
}

std::set<int32_t> GroupsOf(const World& world, const std::vector<int64_t>& samples) {
  std::set<int32_t> groups;
  for (const int64_t sample : samples) groups.insert(world.groups[sample]);
  return groups;
}

std::vector<int64_t> Left(const ClassPool& pool) {
  std::vector<int64_t> left;
  for (const auto& members : pool) left.insert(left.end(), members.begin(), members.end());
  return left;
}

void ExpectDisjoint(const std::set<int32_t>& a, const std::set<int32_t>& b) {
  for (const int32_t group : a) EXPECT_EQ(b.count(group), 0u) << group;
}

TEST(GroupSplits, FractionsNeverPartAGroupAndComeNearTheirCounts) {
  const std::vector<int64_t> wanted{60, 48, 12};
  std::set<std::vector<int64_t>> different;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    World world = MakeWorld();
    const std::vector<int64_t> drawn = DrawGroups(world.pool, wanted, seed, world.groups);
    different.insert(drawn);
    ExpectDisjoint(GroupsOf(world, drawn), GroupsOf(world, Left(world.pool)));
    EXPECT_EQ(drawn.size() + Left(world.pool).size(), 600u);
    for (size_t c = 0; c < 3; ++c) {
      const int64_t of_class =
          static_cast<int64_t>(MakeWorld().pool[c].size() - world.pool[c].size());
      EXPECT_NEAR(of_class, wanted[c], 4) << "class " << c << ", seed " << seed;
    }
    World again = MakeWorld();
    EXPECT_EQ(DrawGroups(again.pool, wanted, seed, again.groups), drawn);
  }
  EXPECT_EQ(different.size(), 20u);
}

TEST(GroupSplits, FoldsNeverPartAGroupAndCoverAllOnce) {
  std::multiset<int64_t> all;
  std::vector<std::set<int32_t>> groups;
  for (int fold = 0; fold < 5; ++fold) {
    World world = MakeWorld();
    const std::vector<int64_t> drawn = DrawGroupFold(world.pool, 5, fold, 3, world.groups);
    EXPECT_NEAR(drawn.size(), 120, 6);
    EXPECT_NEAR(60 - world.pool[2].size(), 12, 3);
    all.insert(drawn.begin(), drawn.end());
    for (const auto& others : groups) ExpectDisjoint(GroupsOf(world, drawn), others);
    groups.push_back(GroupsOf(world, drawn));
  }
  EXPECT_EQ(all.size(), 600u);
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), 600u);
}

TEST(GroupSplits, OneGroupOfAllIsNeverParted) {
  ClassPool pool{{0, 1, 2}, {3, 4}};
  const std::vector<int32_t> groups(5, 7);
  EXPECT_TRUE(DrawGroups(pool, {1, 0}, 0, groups).empty());
  EXPECT_EQ(DrawGroupFold(pool, 2, 0, 0, groups).size(), 5u);
  EXPECT_TRUE(Left(pool).empty());
}

}  // namespace
}  // namespace skytrain::data
