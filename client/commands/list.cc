#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/commands/commands.h"
#include "client/render/job_table.h"
#include "client/render/json.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr int kNewest = 50;

absl::StatusOr<std::vector<v1::JobState>> ParseStates(const std::vector<std::string>& names) {
  std::vector<v1::JobState> states;
  for (const std::string& name : names) {
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
    if (!v1::JobState_Parse(absl::AsciiStrToUpper(name), &state) ||
        state == v1::JOB_STATE_UNSPECIFIED) {
      std::vector<std::string> known;
      for (int i = v1::QUEUED; i <= v1::JobState_MAX; ++i) {
        known.push_back(absl::AsciiStrToLower(v1::JobState_Name(static_cast<v1::JobState>(i))));
      }
      return ErrorWithReason(
          absl::StatusCode::kInvalidArgument, "BAD_STATE",
          absl::StrCat("no state '", name, "'; there are ", absl::StrJoin(known, ", ")));
    }
    states.push_back(state);
  }
  return states;
}

}  // namespace

absl::StatusOr<ExitCode> List(Context& context, const ListOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<v1::JobState> states, ParseStates(options.states));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  // One more than is shown, to know whether there are more.
  ASSIGN_OR_RETURN(std::vector<v1::Job> jobs,
                   client->ListJobs(states, options.filter, options.all ? 0 : kNewest + 1));
  const bool more = !options.all && jobs.size() > kNewest;
  if (more) jobs.resize(kNewest);

  if (context.format == Format::kTable) {
    context.Out(JobTable(jobs, absl::Now(), context.out()));
    if (jobs.empty()) {
      const bool picked = !options.filter.empty() || !options.states.empty();
      context.Err(picked ? "no job matches\n" : "no jobs yet. The first: skytrain submit FILE\n");
    }
    if (more) context.Err(absl::StrCat("… and older ones: skytrain list --all\n"));
    return kExitOk;
  }
  if (context.format == Format::kJsonl) {
    for (const v1::Job& job : jobs) {
      JsonWriter line(/*pretty=*/false);
      WriteJob(job, line);
      context.Out(line.Finish());
    }
    return kExitOk;
  }
  JsonWriter json(/*pretty=*/true);
  json.BeginObject();
  json.Key("jobs");
  json.BeginList();
  for (const v1::Job& job : jobs) WriteJob(job, json);
  json.EndList();
  json.EndObject();
  context.Out(json.Finish());
  return kExitOk;
}

}  // namespace skytrain::client
