#include "absl/strings/str_cat.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/render/format.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Delete(Context& context, const std::vector<std::string>& jobs) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  for (const std::string& typed : jobs) {
    ASSIGN_OR_RETURN(const std::string name, JobArgument(typed));
    RETURN_IF_ERROR(client->DeleteJob(name));
    context.Err(absl::StrCat(ShortName(name), " deleted\n"));
  }
  return kExitOk;
}

}  // namespace skytrain::client
