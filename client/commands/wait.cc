#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/follow.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Wait(Context& context, const WaitOptions& options) {
  const absl::Time deadline = absl::Now() + options.timeout;
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ExitCode worst = kExitOk;
  for (const std::string& typed : options.jobs) {
    ASSIGN_OR_RETURN(const std::string job, JobArgument(typed));
    ASSIGN_OR_RETURN(const std::optional<v1::Job> over,
                     WaitForEnd(context, *client, job, deadline));
    if (!over.has_value()) {
      context.Err(absl::StrCat(ShortName(job), " is not over after ", FormatSpan(options.timeout),
                               "; it goes on\n"));
      return kExitTimeout;
    }
    if (context.format == Format::kTable) {
      context.Out(absl::StrCat(ShortName(job), "  ", v1::JobState_Name(over->state()), "\n"));
    } else {
      JsonWriter json(context.format == Format::kJson);
      WriteJob(*over, json);
      context.Out(json.Finish());
    }
    // One failure of several is a failure; a cancelled or suspended job is the lesser news.
    const ExitCode code = ExitCodeOf(over->state());
    if (worst == kExitOk || code == kExitFailed) worst = code;
  }
  return worst;
}

}  // namespace skytrain::client
