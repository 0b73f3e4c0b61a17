#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/api/client.h"
#include "client/api/watch.h"
#include "client/commands/context.h"
#include "client/exit_code.h"
#include "client/render/job_text.h"
#include "client/render/live_lines.h"
#include "client/render/run_view.h"

namespace skytrain::client {

// Shows a followed job: events as JSON lines on stdout, or as text with live lines below.
class JobFollower : public WatchObserver {
 public:
  struct Options {
    bool text_to_stderr = false;  // stdout is kept for another result.
    bool logs = false;            // Also what the worker wrote.
  };
  JobFollower(Context& context, Options options);

  void OnEvent(const v1::Event& event) override;
  void OnBatchEnd() override;
  void OnLinkLost(absl::string_view reason) override;
  void OnTruncated(int64_t first_available_seq) override;
  void OnLinkBack(absl::Duration away, int64_t after_seq, int64_t missed) override;

  // Takes the live lines away.
  void Finish();
  void Print(absl::string_view text);  // Above the live lines.

  const JobDetails& details() const { return details_; }
  const Terminal& terminal() const { return terminal_; }

 private:
  void Write(absl::string_view bytes);

  Context& context_;
  const Options options_;
  const Terminal terminal_;
  RunView view_;
  LiveLines live_;
  JobDetails details_;
  absl::Time drawn_at_ = absl::InfinitePast();
};

// Follows `job` ("jobs/{job}") to its end, then prints how it ended. The exit code is the job's. On
// Ctrl-C says that the job goes on and how to come back.
absl::StatusOr<ExitCode> FollowToEnd(Context& context, Client& client, const std::string& job,
                                     const JobFollower::Options& options, int64_t after_seq,
                                     int64_t metric_stride = 0);

// What the job's events so far tell beyond the job.
absl::StatusOr<JobDetails> LoadDetails(Client& client, const std::string& job);

// Waits over broken links until `job` is over, or set aside. `deadline` passed: nullopt.
absl::StatusOr<std::optional<v1::Job>> WaitForEnd(Context& context, Client& client,
                                                  const std::string& job, absl::Time deadline);

}  // namespace skytrain::client
