#include "client/commands/follow.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/job_states.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);

class DetailsCollector : public WatchObserver {
 public:
  void OnEvent(const v1::Event& event) override { details.Apply(event); }
  JobDetails details;
};

}  // namespace

JobFollower::JobFollower(Context& context, Options options)
    : context_(context),
      options_(options),
      terminal_(options.text_to_stderr ? context.err() : context.out()),
      view_(terminal_),
      live_(terminal_) {}

void JobFollower::OnEvent(const v1::Event& event) {
  details_.Apply(event);
  const bool json = context_.format == Format::kJson || context_.format == Format::kJsonl;
  if (json && !options_.text_to_stderr) {
    JsonWriter line(/*pretty=*/false);
    WriteEvent(event, line);
    return context_.Out(line.Finish());
  }
  if (event.has_log() && options_.logs) return Print(Printable(event.log().data()));
  if (const std::string text = view_.Apply(event); !text.empty()) Print(text);
}

void JobFollower::OnBatchEnd() {
  const bool json = context_.format != Format::kTable && !options_.text_to_stderr;
  const absl::Time now = absl::Now();
  if (json || !terminal_.interactive || now - drawn_at_ < kRedraw) return;
  drawn_at_ = now;
  Write(live_.Draw(view_.Live()));
}

void JobFollower::OnLinkLost(absl::string_view reason) {
  Write(live_.Clear());
  context_.Err(
      absl::StrCat("link lost (", reason, "), job unaffected as far as known; trying again …\n"));
}

void JobFollower::OnLinkBack(absl::Duration away, int64_t after_seq, int64_t missed) {
  Write(live_.Clear());
  context_.Err(absl::StrCat("link back after ", FormatSpan(away), ", caught up from event ",
                            FormatCount(after_seq), " (", Plural(missed, "event"), ")\n"));
}

void JobFollower::OnTruncated(int64_t first_available_seq) {
  Write(live_.Clear());
  context_.Err(absl::StrCat("the server has removed the events before ",
                            FormatCount(first_available_seq), "\n"));
}

void JobFollower::Finish() { Write(live_.Clear()); }

void JobFollower::Print(absl::string_view text) {
  Write(live_.Above(text));
  drawn_at_ = absl::InfinitePast();
}

void JobFollower::Write(absl::string_view bytes) {
  if (bytes.empty()) return;
  options_.text_to_stderr ? context_.Err(bytes) : context_.Out(bytes);
}

absl::StatusOr<ExitCode> FollowToEnd(Context& context, Client& client, const std::string& job,
                                     const JobFollower::Options& options, int64_t after_seq,
                                     int64_t metric_stride) {
  JobFollower follower(context, options);
  WatchOptions watch;
  watch.job = job;
  watch.after_seq = after_seq;
  watch.metric_stride = metric_stride;
  const absl::Status status = Watch(client, std::move(watch), follower);
  follower.Finish();
  if (context.interrupt().raised()) {
    context.Err(absl::StrCat("Detached: the job goes on. Come back with: skytrain watch ",
                             ShortName(job), "\n"));
    return kExitInterrupted;
  }
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN(const v1::Job over, client.GetJob(job));
  if (context.format == Format::kTable || options.text_to_stderr) {
    JobDetails details = follower.details();
    // The events before the first one asked for tell some of it too.
    if (after_seq > 0) {
      ASSIGN_OR_RETURN(details, LoadDetails(client, job));
    }
    follower.Print(JobText(over, details, absl::Now(), follower.terminal()));
  }
  return ExitCodeOf(over.state());
}

absl::StatusOr<JobDetails> LoadDetails(Client& client, const std::string& job) {
  DetailsCollector collector;
  WatchOptions options;
  options.job = job;
  options.follow = false;
  options.kinds = {v1::REPORT, v1::MODEL, v1::CHECKPOINT, v1::DATA};
  RETURN_IF_ERROR(Watch(client, std::move(options), collector));
  return collector.details;
}

absl::StatusOr<std::optional<v1::Job>> WaitForEnd(Context& context, Client& client,
                                                  const std::string& job, absl::Time deadline) {
  constexpr absl::Duration kOneCall = absl::Seconds(30);
  Backoff backoff;
  bool lost = false;
  std::optional<absl::Time> heard_at;
  while (true) {
    const absl::Duration left = deadline - absl::Now();
    const absl::StatusOr<v1::Job> answer =
        client.WaitJob(job, std::clamp(left, absl::ZeroDuration(), kOneCall));
    if (context.interrupt().raised()) return absl::CancelledError("interrupted");
    if (answer.ok()) {
      if (lost) {
        context.Err(absl::StrCat("link back after ", FormatSpan(absl::Now() - *heard_at), "\n"));
      }
      heard_at = absl::Now();
      lost = false;
      backoff.Reset();
      if (IsTerminal(answer->state()) || answer->state() == v1::SUSPENDED) return *answer;
      if (absl::Now() >= deadline) return std::nullopt;
      continue;
    }
    const bool may_pass = MayPass(answer.status()) || absl::IsDeadlineExceeded(answer.status());
    if (!may_pass || !heard_at.has_value()) return answer.status();
    if (absl::Now() - *heard_at > client.give_up()) return answer.status();
    if (!lost) {
      context.Err(absl::StrCat("link lost (", answer.status().message(),
                               "), job unaffected as far as known; trying again …\n"));
    }
    lost = true;
    if (absl::Now() >= deadline) return std::nullopt;
    context.interrupt().Sleep(backoff.Next(answer.status()));
  }
}

}  // namespace skytrain::client
