#include "client/commands/selection.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Cancel(Context& context, const SelectOptions& options) {
  JobAction action;
  action.verb = "cancel";
  action.states = {v1::QUEUED, v1::STARTING, v1::RUNNING, v1::STOPPING, v1::SUSPENDED};
  action.act = [](Client& client, const std::string& name) { return client.CancelJob(name); };
  return ActOnJobs(context, options, action);
}

}  // namespace skytrain::client
