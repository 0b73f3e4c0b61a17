#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/commands/arguments.h"
#include "client/commands/attempt_source.h"
#include "client/commands/commands.h"
#include "client/commands/follow.h"
#include "client/render/format.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

absl::StatusOr<ExitCode> WatchDir(Context& context, const WatchCommandOptions& options) {
  JobFollower follower(context, {.logs = options.all});
  const absl::StatusOr<v1::Job> job =
      ReadAttempt(context.interrupt(), options.dir, options.follow, follower);
  follower.Finish();
  RETURN_IF_ERROR(job.status());
  if (context.format == Format::kTable) {
    follower.Print(JobText(*job, follower.details(), absl::Now(), follower.terminal()));
  }
  return ExitCodeOf(job->state());
}

// The events up to now.
absl::StatusOr<ExitCode> WatchSoFar(Context& context, Client& client, const std::string& job,
                                    const WatchCommandOptions& options) {
  JobFollower follower(context, {.logs = options.all});
  WatchOptions watch;
  watch.job = job;
  watch.after_seq = options.after_seq;
  watch.follow = false;
  watch.metric_stride = options.every;
  const absl::Status status = Watch(client, std::move(watch), follower);
  follower.Finish();
  RETURN_IF_ERROR(status);
  return kExitOk;
}

}  // namespace

absl::StatusOr<ExitCode> WatchCommand(Context& context, const WatchCommandOptions& options) {
  if (!options.dir.empty()) return WatchDir(context, options);
  ASSIGN_OR_RETURN(const std::string job, JobArgument(options.job));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  if (!options.follow) return WatchSoFar(context, *client, job, options);
  return FollowToEnd(context, *client, job, {.logs = options.all}, options.after_seq,
                     options.every);
}

}  // namespace skytrain::client
