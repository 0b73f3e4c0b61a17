#include "client/commands/selection.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/commands/arguments.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

// A bulk change asks once: a filter may pick more than was meant.
absl::Status Confirm(Context& context, const std::string& verb, size_t count) {
  const std::string what = absl::StrCat(verb, " ", Plural(count, "job"));
  if (!context.err().interactive || !Terminal::Of(0).interactive) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "NOT_CONFIRMED",
                           absl::StrCat("this would ", what, ": give --yes to do it"));
  }
  context.Err(absl::StrCat(what, "? [y/N] "));
  std::string answer;
  std::getline(std::cin, answer);
  if (absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer)) == "y") return absl::OkStatus();
  return absl::CancelledError("nothing was changed");
}

absl::StatusOr<std::vector<std::string>> Select(Context& context, Client& client,
                                                const SelectOptions& options,
                                                const JobAction& action) {
  std::vector<std::string> names;
  if (options.filter.empty()) {
    for (const std::string& typed : options.jobs) {
      ASSIGN_OR_RETURN(std::string name, JobArgument(typed));
      names.push_back(std::move(name));
    }
    return names;
  }
  ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs,
                   client.ListJobs(action.states, options.filter, 0));
  for (const v1::Job& job : jobs) names.push_back(job.name());
  if (names.empty()) {
    context.Err(absl::StrCat("no job that one can ", action.verb, " matches\n"));
  } else if (!options.yes) {
    RETURN_IF_ERROR(Confirm(context, action.verb, names.size()));
  }
  return names;
}

void PrintDone(Context& context, const std::string& done, const std::string& name) {
  if (context.format == Format::kTable) {
    return context.Out(absl::StrCat(ShortName(name), "  ", done, "\n"));
  }
  JsonWriter json(context.format == Format::kJson);
  json.BeginObject();
  json.Key("name");
  json.String(ShortName(name));
  json.Key(done);
  json.Bool(true);
  json.EndObject();
  context.Out(json.Finish());
}

void PrintState(Context& context, const std::string& name, const v1::Job& job) {
  if (context.format == Format::kTable) {
    return context.Out(absl::StrCat(ShortName(name), "  ", v1::JobState_Name(job.state()), "\n"));
  }
  JsonWriter json(context.format == Format::kJson);
  WriteJob(job, json);
  context.Out(json.Finish());
}

}  // namespace

absl::StatusOr<ExitCode> ActOnJobs(Context& context, const SelectOptions& options,
                                   const JobAction& action) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const std::vector<std::string> names, Select(context, *client, options, action));
  ExitCode worst = kExitOk;
  for (const std::string& name : names) {
    const absl::StatusOr<v1::Job> job = action.act(*client, name);
    if (job.ok()) {
      if (action.done.empty()) {
        PrintState(context, name, *job);
      } else {
        PrintDone(context, action.done, name);
      }
      continue;
    }
    // The server is gone, or the user has enough: the others would fare no better.
    if (context.interrupt().raised() || absl::IsUnavailable(job.status())) return job.status();
    context.Err(absl::StrCat(ShortName(name), "  ", job.status().message(), "\n"));
    worst = std::max(worst, ExitCodeOf(job.status()));
  }
  return worst;
}

absl::StatusOr<ExitCode> ActOnNames(
    Context& context, const std::vector<std::string>& names, const std::string& done,
    const std::function<absl::Status(Client& client, const std::string& typed)>& act) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ExitCode worst = kExitOk;
  for (const std::string& name : names) {
    const absl::Status status = act(*client, name);
    if (status.ok()) {
      PrintDone(context, done, name);
      continue;
    }
    if (context.interrupt().raised() || absl::IsUnavailable(status)) return status;
    context.Err(absl::StrCat(Printable(name), "  ", status.message(), "\n"));
    worst = std::max(worst, ExitCodeOf(status));
  }
  return worst;
}

}  // namespace skytrain::client
