#include "client/commands/selection.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Suspend(Context& context, const SelectOptions& options) {
  JobAction action;
  action.verb = "suspend";
  action.states = {v1::QUEUED, v1::STARTING, v1::RUNNING};
  action.act = [](Client& client, const std::string& name) { return client.SuspendJob(name); };
  return ActOnJobs(context, options, action);
}

}  // namespace skytrain::client
