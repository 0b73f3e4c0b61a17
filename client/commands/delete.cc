#include "client/commands/selection.h"
#include "common/status_macros.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Delete(Context& context, const SelectOptions& options) {
  JobAction action;
  action.verb = "delete";
  action.states = {v1::SUCCEEDED, v1::FAILED, v1::CANCELLED};
  action.act = [](Client& client, const std::string& name) -> absl::StatusOr<v1::Job> {
    RETURN_IF_ERROR(client.DeleteJob(name));
    return v1::Job();
  };
  action.done = "deleted";
  return ActOnJobs(context, options, action);
}

}  // namespace skytrain::client
