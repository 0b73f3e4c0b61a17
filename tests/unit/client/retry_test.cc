#include "client/api/retry.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

Backoff Quick() { return Backoff(absl::Milliseconds(1), absl::Milliseconds(2), 1); }

TEST(Backoff, DoublesUpToItsLimit) {
  Backoff backoff(absl::Milliseconds(100), absl::Milliseconds(300), 1);
  for (const int whole : {100, 200, 300, 300}) {
    const absl::Duration next = backoff.Next();
    EXPECT_GE(next, absl::Milliseconds(whole) / 2);
    EXPECT_LE(next, absl::Milliseconds(whole));
  }
}

TEST(Backoff, WaitsAsLongAsTheServerAsksUpToAMinute) {
  const absl::Status busy = absl::UnavailableError("busy");
  EXPECT_LE(Quick().Next(busy), absl::Milliseconds(2));
  EXPECT_EQ(Quick().Next(WithRetryDelay(busy, absl::Seconds(7))), absl::Seconds(7));
  EXPECT_EQ(Quick().Next(WithRetryDelay(busy, absl::Hours(7))), absl::Minutes(1));
}

TEST(Retry, RepeatsOnlyWhatMayPass) {
  const struct {
    absl::Status status;
    bool again;
  } kCases[] = {
      {absl::OkStatus(), false},
      {absl::UnavailableError(""), true},
      {ErrorWithReason(absl::StatusCode::kUnavailable, "STARTING", ""), true},
      {ErrorWithReason(absl::StatusCode::kUnavailable, "CONNECTION_REFUSED", ""), true},
      {ErrorWithReason(absl::StatusCode::kUnavailable, "NOT_TLS", ""), false},
      {absl::DeadlineExceededError(""), false},
      {absl::UnauthenticatedError(""), false},
      {absl::InternalError(""), false},
  };
  for (const auto& test : kCases) {
    Interrupt interrupt;
    int calls = 0;
    const absl::Status end = Retry(interrupt, Quick(), {},
                                   [&] { return ++calls == 3 ? absl::OkStatus() : test.status; });
    EXPECT_EQ(calls, test.again ? 3 : 1) << test.status;
    EXPECT_EQ(end.ok(), test.again || test.status.ok());
  }
}

TEST(Retry, EndsWhenThePatienceIsOverAndTellsOfTheWaitOnce) {
  Interrupt interrupt;
  int calls = 0, told = 0;
  Patience patience;
  patience.length = absl::Milliseconds(50);
  patience.on_waiting = [&](const absl::Status&) { ++told; };
  const absl::Time start = absl::Now();
  EXPECT_TRUE(absl::IsUnavailable(Retry(interrupt, Quick(), patience, [&] {
    ++calls;
    return absl::UnavailableError("gone");
  })));
  EXPECT_GT(calls, 5);
  EXPECT_EQ(told, 1);
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

TEST(Retry, AnInterruptionEndsTheWait) {
  Interrupt interrupt;
  interrupt.Raise();
  int calls = 0;
  EXPECT_TRUE(absl::IsCancelled(Retry(interrupt, Quick(), {}, [&] {
    ++calls;
    return absl::UnavailableError("gone");
  })));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace skytrain::client
