#include "server/jobs/job_state.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

using Event = JobEventType;
constexpr Event kAllEvents[] = {
    Event::kCreated, Event::kAssigned,  Event::kStarted,   Event::kCancel, Event::kSuspend,
    Event::kResume,  Event::kPreempt,   Event::kCompleted, Event::kFailed, Event::kRetry,
    Event::kStopped, Event::kSuspended, Event::kPreempted};

TEST(NextState, HasTheseEdgesAndNoOthers) {
  const std::map<std::pair<v1::JobState, Event>, v1::JobState> edges = {
      {{v1::JOB_STATE_UNSPECIFIED, Event::kCreated}, v1::QUEUED},
      {{v1::QUEUED, Event::kAssigned}, v1::STARTING},
      {{v1::QUEUED, Event::kCancel}, v1::CANCELLED},
      {{v1::QUEUED, Event::kSuspend}, v1::SUSPENDED},
      {{v1::QUEUED, Event::kResume}, v1::QUEUED},
      {{v1::STARTING, Event::kStarted}, v1::RUNNING},
      {{v1::STARTING, Event::kCancel}, v1::STOPPING},
      {{v1::STARTING, Event::kSuspend}, v1::STOPPING},
      {{v1::STARTING, Event::kPreempt}, v1::STOPPING},
      {{v1::STARTING, Event::kResume}, v1::STARTING},
      {{v1::STARTING, Event::kCompleted}, v1::SUCCEEDED},
      {{v1::STARTING, Event::kFailed}, v1::FAILED},
      {{v1::STARTING, Event::kRetry}, v1::QUEUED},
      {{v1::STARTING, Event::kStopped}, v1::CANCELLED},
      {{v1::RUNNING, Event::kStarted}, v1::RUNNING},
      {{v1::RUNNING, Event::kCancel}, v1::STOPPING},
      {{v1::RUNNING, Event::kSuspend}, v1::STOPPING},
      {{v1::RUNNING, Event::kPreempt}, v1::STOPPING},
      {{v1::RUNNING, Event::kResume}, v1::RUNNING},
      {{v1::RUNNING, Event::kCompleted}, v1::SUCCEEDED},
      {{v1::RUNNING, Event::kFailed}, v1::FAILED},
      {{v1::RUNNING, Event::kRetry}, v1::QUEUED},
      {{v1::RUNNING, Event::kStopped}, v1::CANCELLED},
      {{v1::STOPPING, Event::kStarted}, v1::STOPPING},
      {{v1::STOPPING, Event::kCancel}, v1::STOPPING},
      {{v1::STOPPING, Event::kSuspend}, v1::STOPPING},
      {{v1::STOPPING, Event::kPreempt}, v1::STOPPING},
      {{v1::STOPPING, Event::kCompleted}, v1::SUCCEEDED},
      {{v1::STOPPING, Event::kFailed}, v1::FAILED},
      {{v1::STOPPING, Event::kStopped}, v1::CANCELLED},
      {{v1::STOPPING, Event::kSuspended}, v1::SUSPENDED},
      {{v1::STOPPING, Event::kPreempted}, v1::QUEUED},
      {{v1::SUSPENDED, Event::kResume}, v1::QUEUED},
      {{v1::SUSPENDED, Event::kCancel}, v1::CANCELLED},
      {{v1::SUSPENDED, Event::kSuspend}, v1::SUSPENDED},
      {{v1::CANCELLED, Event::kCancel}, v1::CANCELLED},
  };
  for (int from = v1::JobState_MIN; from <= v1::JobState_MAX; ++from) {
    for (const Event event : kAllEvents) {
      const auto state = static_cast<v1::JobState>(from);
      const auto next = NextState(state, event);
      const auto edge = edges.find({state, event});
      SCOPED_TRACE(absl::StrCat(v1::JobState_Name(state), " event ", static_cast<int>(event)));
      if (edge == edges.end()) {
        EXPECT_TRUE(absl::IsFailedPrecondition(next.status()));
      } else {
        ASSERT_TRUE(next.ok());
        EXPECT_EQ(*next, edge->second);
      }
    }
  }
}

TEST(NextStopCause, StrongerWishHoldsAndItGoesWithTheStop) {
  struct Case {
    v1::StopCause before;
    v1::JobState to;
    Event event;
    std::optional<v1::StopCause> after;  // nullopt: refused.
  };
  constexpr v1::StopCause kNone = v1::STOP_CAUSE_UNSPECIFIED;
  const Case cases[] = {
      {kNone, v1::STOPPING, Event::kCancel, v1::STOP_CANCEL},
      {kNone, v1::STOPPING, Event::kPreempt, v1::STOP_PREEMPT},
      {kNone, v1::SUSPENDED, Event::kSuspend, v1::STOP_SUSPEND},
      {v1::STOP_PREEMPT, v1::STOPPING, Event::kSuspend, v1::STOP_SUSPEND},
      {v1::STOP_PREEMPT, v1::STOPPING, Event::kCancel, v1::STOP_CANCEL},
      {v1::STOP_SUSPEND, v1::STOPPING, Event::kCancel, v1::STOP_CANCEL},
      {v1::STOP_SUSPEND, v1::STOPPING, Event::kSuspend, v1::STOP_SUSPEND},
      {v1::STOP_SUSPEND, v1::STOPPING, Event::kPreempt, std::nullopt},
      {v1::STOP_CANCEL, v1::STOPPING, Event::kSuspend, std::nullopt},
      {v1::STOP_CANCEL, v1::STOPPING, Event::kPreempt, std::nullopt},
      {v1::STOP_PREEMPT, v1::STOPPING, Event::kStarted, v1::STOP_PREEMPT},
      {v1::STOP_SUSPEND, v1::SUSPENDED, Event::kSuspended, v1::STOP_SUSPEND},
      {v1::STOP_PREEMPT, v1::QUEUED, Event::kPreempted, kNone},
      {v1::STOP_SUSPEND, v1::QUEUED, Event::kResume, kNone},
      {v1::STOP_CANCEL, v1::CANCELLED, Event::kStopped, kNone},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::StrCat(v1::StopCause_Name(c.before), " to ", v1::JobState_Name(c.to),
                              " event ", static_cast<int>(c.event)));
    const auto after = NextStopCause(c.before, c.to, c.event);
    EXPECT_EQ(after.ok() ? std::optional(*after) : std::nullopt, c.after);
  }
}

TEST(JobStates, AreTerminalOrLiveAndActiveOnesAreLive) {
  for (int value = v1::QUEUED; value <= v1::JobState_MAX; ++value) {
    const auto state = static_cast<v1::JobState>(value);
    EXPECT_EQ((LiveStates() >> value) & 1, IsTerminal(state) ? 0u : 1u);
    EXPECT_EQ((ActiveStates() >> value) & 1, IsActive(state) ? 1u : 0u);
    EXPECT_FALSE(IsActive(state) && IsTerminal(state));
  }
}

}  // namespace
}  // namespace skytrain
