#include "client/commands/selection.h"

namespace skytrain::client {

absl::StatusOr<ExitCode> Resume(Context& context, const SelectOptions& options) {
  JobAction action;
  action.verb = "resume";
  action.states = {v1::SUSPENDED};
  action.act = [](Client& client, const std::string& name) { return client.ResumeJob(name); };
  return ActOnJobs(context, options, action);
}

}  // namespace skytrain::client
