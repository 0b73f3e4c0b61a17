#include "server/scheduling/usage_ledger.h"

#include "gtest/gtest.h"

namespace skytrain {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

TEST(UsageLedger, WhatWasUsedAHalfLifeAgoCountsHalf) {
  UsageLedger ledger;
  ledger.Add("ana", 100, kStart);
  EXPECT_DOUBLE_EQ(ledger.At("ana", kStart), 100);
  EXPECT_DOUBLE_EQ(ledger.At("ana", kStart + UsageLedger::kHalfLife), 50);
  ledger.Add("ana", 10, kStart + UsageLedger::kHalfLife);
  EXPECT_DOUBLE_EQ(ledger.At("ana", kStart + UsageLedger::kHalfLife), 60);
  EXPECT_EQ(ledger.At("ben", kStart), 0);
}

TEST(UsageLedger, ClockThatWasSetBackMakesNobodysPastGrow) {
  UsageLedger ledger;
  ledger.Add("ana", 100, kStart);
  EXPECT_DOUBLE_EQ(ledger.At("ana", kStart - absl::Hours(1000)), 100);
}

TEST(UsageLedger, SurvivesItsStorage) {
  UsageLedger ledger;
  ledger.Add("ana", 100, kStart);
  UsageLedger later;
  for (const auto& [owner, account] : ledger.accounts()) later.Restore(owner, account);
  EXPECT_DOUBLE_EQ(later.At("ana", kStart + UsageLedger::kHalfLife), 50);
}

}  // namespace
}  // namespace skytrain
