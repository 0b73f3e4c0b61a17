#include "client/api/watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

// Says that the stream, not the request, is at fault.
bool IsLinkFault(const absl::Status& status) {
  if (absl::IsUnavailable(status)) return MayPass(status);
  if (!ReasonOf(status).empty()) return false;
  // Answers of a server that is there and means it, though it is not ours or is older.
  return !absl::IsUnimplemented(status) && !absl::IsUnauthenticated(status) &&
         !absl::IsPermissionDenied(status);
}

class Follower {
 public:
  Follower(Client& client, WatchOptions options, WatchObserver& observer)
      : client_(client),
        options_(std::move(options)),
        observer_(observer),
        filtered_(!options_.kinds.empty() || !options_.metric_names.empty() ||
                  options_.metric_stride > 0) {
    seen_ = position_ = options_.after_seq;
  }

  absl::Status Run() {
    heard_at_ = absl::Now();
    for (int failures = 0;;) {
      reached_ = false;
      const absl::Status status = Stream();
      if (status.ok()) {
        CaughtUp();
        return status;
      }
      if (client_.interrupt().raised()) return absl::CancelledError("interrupted");
      if (!IsLinkFault(status)) return status;
      const absl::Duration wait = Wait(status);
      const absl::Duration patience = ever_reached_ ? client_.give_up() : client_.patience().length;
      if (absl::Now() + wait - heard_at_ > patience) return GiveUp(status);
      if (!ever_reached_ && ++failures == 2 && client_.patience().on_waiting) {
        client_.patience().on_waiting(status);
      }
      if (ever_reached_ && !lost_) {
        lost_ = true;
        lost_at_ = absl::Now();
        lost_position_ = position_;
        observer_.OnLinkLost(status.message());
      }
      if (!client_.interrupt().Sleep(wait)) {
        return absl::CancelledError("interrupted");
      }
    }
  }

 private:
  absl::Duration Wait(const absl::Status& status) {
    if (reached_) options_.backoff.Reset();
    return options_.backoff.Next(status);
  }

  absl::Status GiveUp(const absl::Status& status) const {
    if (!ever_reached_) return status;
    return ErrorWithReason(absl::StatusCode::kUnavailable, "GAVE_UP",
                           absl::StrCat("no answer for ", absl::FormatDuration(client_.give_up()),
                                        ", so this ends; the job is unaffected as far as known (",
                                        status.message(), ")"));
  }

  absl::Status Stream() {
    // Where the job is now, to know when all that was missed is there.
    int64_t target = 0;
    if (lost_) {
      const absl::StatusOr<v1::Job> job = client_.GetJob(options_.job);
      if (!job.ok()) return job.status();
      target = job->last_seq();
    }
    v1::WatchEventsRequest request;
    request.set_name(options_.job);
    request.set_after_seq(position_);
    request.set_follow(options_.follow);
    for (const v1::EventKind kind : options_.kinds) request.add_kinds(kind);
    for (const std::string& name : options_.metric_names) request.add_metric_names(name);
    request.set_metric_stride(options_.metric_stride);
    return client_.StreamEvents(request, [&](const v1::WatchEventsResponse& response) {
      reached_ = ever_reached_ = true;
      heard_at_ = absl::Now();
      const absl::Status taken = Take(response);
      if (taken.ok() && position_ >= target) CaughtUp();
      return taken;
    });
  }

  absl::Status Take(const v1::WatchEventsResponse& response) {
    if (const int64_t first = response.truncated().first_available_seq(); first > seen_ + 1) {
      seen_ = position_ = first - 1;
      observer_.OnTruncated(first);
    }
    for (const v1::Event& event : response.events()) {
      if (event.seq() <= seen_) continue;
      // A hole in an unfiltered stream: some bytes went missing on the way. Ask again from here.
      if (!filtered_ && event.seq() != seen_ + 1) {
        return absl::UnavailableError(
            absl::StrCat("event ", event.seq(), " came after event ", seen_));
      }
      seen_ = event.seq();
      position_ = std::max(position_, seen_);
      observer_.OnEvent(event);
    }
    position_ = std::max(position_, response.position());
    observer_.OnBatchEnd();
    return absl::OkStatus();
  }

  void CaughtUp() {
    if (!lost_) return;
    lost_ = false;
    observer_.OnLinkBack(absl::Now() - lost_at_, lost_position_, position_ - lost_position_);
  }

  Client& client_;
  WatchOptions options_;
  WatchObserver& observer_;
  const bool filtered_;  // Numbers may be left out.
  int64_t seen_;         // The last event delivered.
  int64_t position_;     // Everything up to here was delivered or filtered out.
  bool reached_ = false;
  bool ever_reached_ = false;
  bool lost_ = false;
  absl::Time heard_at_;
  absl::Time lost_at_;
  int64_t lost_position_ = 0;
};

}  // namespace

absl::Status Watch(Client& client, WatchOptions options, WatchObserver& observer) {
  return Follower(client, std::move(options), observer).Run();
}

}  // namespace skytrain::client
