#include "absl/strings/str_cat.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Cancel(Context& context, const std::vector<std::string>& jobs) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  // All of them are tried; the first error decides the exit code.
  absl::Status first;
  for (const std::string& typed : jobs) {
    const absl::StatusOr<std::string> name = JobArgument(typed);
    const absl::StatusOr<v1::Job> job =
        name.ok() ? client->CancelJob(*name) : absl::StatusOr<v1::Job>(name.status());
    if (!job.ok()) {
      if (!first.ok()) context.Err(absl::StrCat(first.message(), "\n"));
      first = job.status();
    } else if (context.format == Format::kTable) {
      context.Out(
          absl::StrCat(ShortName(job->name()), "  ", v1::JobState_Name(job->state()), "\n"));
    } else {
      JsonWriter json(context.format == Format::kJson);
      WriteJob(*job, json);
      context.Out(json.Finish());
    }
  }
  RETURN_IF_ERROR(first);
  return kExitOk;
}

}  // namespace skytrain::client
