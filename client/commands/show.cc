#include "absl/time/clock.h"
#include "client/commands/arguments.h"
#include "client/commands/attempt_source.h"
#include "client/commands/commands.h"
#include "client/commands/follow.h"
#include "client/render/job_text.h"
#include "client/render/json.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

class DetailsObserver : public WatchObserver {
 public:
  void OnEvent(const v1::Event& event) override { details.Apply(event); }
  JobDetails details;
};

void Print(Context& context, const v1::Job& job, const JobDetails& details) {
  if (context.format == Format::kTable) {
    return context.Out(JobText(job, details, absl::Now(), context.out()));
  }
  JsonWriter json(context.format == Format::kJson);
  WriteJob(job, json);
  context.Out(json.Finish());
}

}  // namespace

absl::StatusOr<ExitCode> Show(Context& context, const ShowOptions& options) {
  if (!options.dir.empty()) {
    DetailsObserver observer;
    ASSIGN_OR_RETURN(const v1::Job job, ReadAttempt(context.interrupt(), options.dir,
                                                    /*follow=*/false, observer));
    Print(context, job, observer.details);
    return kExitOk;
  }
  ASSIGN_OR_RETURN(const std::string name, JobArgument(options.job));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Job job, client->GetJob(name));
  JobDetails details;
  if (context.format == Format::kTable) {
    ASSIGN_OR_RETURN(details, LoadDetails(*client, name));
  }
  Print(context, job, details);
  return kExitOk;
}

}  // namespace skytrain::client
