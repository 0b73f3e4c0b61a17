#include <algorithm>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/commands/follow.h"
#include "client/render/format.h"
#include "client/render/job_text.h"
#include "client/render/json.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr char kWeights[] = "model.safetensors";
constexpr size_t kLongestName = 40;  // Of an experiment.

absl::StatusOr<std::string> WeightDigest(Client& client, const v1::Job& job) {
  if (job.model().empty()) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NO_MODEL",
                           absl::StrCat(ShortName(job.name()),
                                        " has published no model: only a "
                                        "training job that succeeded can be verified"));
  }
  ASSIGN_OR_RETURN(const v1::Model model, client.GetModel(job.model()));
  for (const v1::ModelFile& file : model.files()) {
    if (file.name() == kWeights) return file.sha256();
  }
  return absl::DataLossError(absl::StrCat(ShortName(model.name()), " has no ", kWeights));
}

// No job is there of the name: it may be that of a model that has none.
absl::Status CheckIsNoImport(Client& client, const std::string& typed) {
  const absl::StatusOr<ModelName> name = ParseModelName(typed);
  if (!name.ok()) return absl::OkStatus();
  const absl::StatusOr<v1::Model> model = client.GetModel(name->ToString());
  if (!model.ok() || !model->job().empty()) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NO_JOB",
                         absl::StrCat(name->model,
                                      " is imported: no job trained it, so there is "
                                      "nothing to run again"));
}

// Follows the second run and, once it has done `stop_at` steps, sets it aside and lets it go on.
class Interrupter final : public JobFollower {
 public:
  // `stop_at` 0: never.
  Interrupter(Context& context, Client& client, std::string job, int64_t stop_at)
      : JobFollower(context, {.text_to_stderr = true}),
        client_(client),
        job_(std::move(job)),
        stop_at_(stop_at) {}

  void OnEvent(const v1::Event& event) override {
    JobFollower::OnEvent(event);
    if (stop_at_ == 0 || !status_.ok()) return;
    if (event.has_metrics() && !asked_ && event.metrics().step_size() > 0 &&
        *std::max_element(event.metrics().step().begin(), event.metrics().step().end()) >=
            stop_at_) {
      asked_ = true;
      // A run may end before it hears of this, which is told below.
      (void)client_.SuspendJob(job_).status();
    }
    if (event.state().to() == v1::SUSPENDED) {
      interrupted_ = true;
      status_ = client_.ResumeJob(job_).status();
    }
  }

  bool interrupted() const { return interrupted_; }
  const absl::Status& status() const { return status_; }

 private:
  Client& client_;
  const std::string job_;
  const int64_t stop_at_;
  bool asked_ = false, interrupted_ = false;
  absl::Status status_;
};

// A step at which a run of `steps` is not over yet.
int64_t SomeStep(int64_t steps) {
  std::random_device seed;
  return std::uniform_int_distribution<int64_t>(1, std::max<int64_t>(1, steps * 9 / 10))(seed);
}

struct Verdict {
  std::string job, again, digest, digest_again;
  int64_t interrupted_at = 0;
  bool deterministic = false;
  bool identical() const { return digest == digest_again; }
};

void Print(Context& context, const Verdict& v) {
  if (context.format != Format::kTable) {
    JsonWriter json(context.format == Format::kJson);
    json.BeginObject();
    json.Key("identical");
    json.Bool(v.identical());
    json.Key("job");
    json.String(ShortName(v.job));
    json.Key("again");
    json.String(ShortName(v.again));
    json.Key("sha256");
    json.String(v.digest);
    json.Key("sha256_again");
    json.String(v.digest_again);
    json.Key("interrupted_at_step");
    json.Number(v.interrupted_at);
    json.EndObject();
    return context.Out(json.Finish());
  }
  const std::string resumed = v.interrupted_at == 0 ? ""
                                                    : absl::StrCat(", interrupted after step ",
                                                                   FormatCount(v.interrupted_at));
  if (v.identical()) {
    return context.Out(absl::StrCat("identical: ", ShortName(v.job), " and ", ShortName(v.again),
                                    resumed, " have the same weights, SHA-256 ", v.digest, "\n"));
  }
  context.Out(absl::StrCat(
      "different: ", ShortName(v.job), " has SHA-256 ", v.digest, ", ", ShortName(v.again), resumed,
      " has ", v.digest_again, "\n",
      v.deterministic
          ? "The same bits need the same build, threads and instruction set: compare the two "
            "model.json (skytrain fetch).\n"
          : "The experiment does not say train.deterministic: true, without which nobody promises "
            "the same bits.\n"));
}

}  // namespace

absl::StatusOr<ExitCode> Verify(Context& context, const VerifyOptions& options) {
  ASSIGN_OR_RETURN(const std::string name, JobArgument(options.job));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  const absl::StatusOr<v1::Job> found = client->GetJob(name);
  if (absl::IsNotFound(found.status())) {
    RETURN_IF_ERROR(CheckIsNoImport(*client, options.job));
  }
  ASSIGN_OR_RETURN(const v1::Job job, found);
  Verdict verdict;
  verdict.job = job.name();
  ASSIGN_OR_RETURN(verdict.digest, WeightDigest(*client, job));

  v1::CreateJobRequest request;
  v1::Experiment& experiment = *request.mutable_job()->mutable_experiment();
  experiment = job.experiment();
  verdict.deterministic = experiment.train().deterministic();
  // A model of its own: the versions of the first one's are for people.
  constexpr absl::string_view kSuffix = "-verify";
  experiment.set_name(absl::StrCat(experiment.name().empty()
                                       ? "experiment"
                                       : experiment.name().substr(0, kLongestName - kSuffix.size()),
                                   kSuffix));
  (*experiment.mutable_labels())["verifies"] = ShortName(job.name());
  request.set_request_id(NewUid());
  RETURN_IF_ERROR(Inspect(context, *client, experiment.data(), experiment.task()).status());
  ASSIGN_OR_RETURN(const v1::CreateJobResponse response, client->CreateJob(request));
  verdict.again = response.job().name();
  if (options.resume_check) {
    verdict.interrupted_at =
        SomeStep(response.estimate().steps_per_epoch() * experiment.train().epochs());
  }
  context.Err(absl::StrCat(
      ShortName(verdict.again), "  runs ", ShortName(job.name()), " again",
      verdict.interrupted_at == 0
          ? ""
          : absl::StrCat(", with an interruption after step ", FormatCount(verdict.interrupted_at)),
      "\n"));

  Interrupter follower(context, *client, verdict.again, verdict.interrupted_at);
  WatchOptions watch;
  watch.job = verdict.again;
  const absl::Status status = Watch(*client, std::move(watch), follower);
  follower.Finish();
  if (context.interrupt().raised()) {
    context.Err(
        absl::StrCat("Detached: the second run goes on. Compare by hand the sha256 in: "
                     "skytrain show ",
                     ShortName(verdict.again), "\n"));
    return kExitInterrupted;
  }
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(follower.status());
  ASSIGN_OR_RETURN(const v1::Job over, client->GetJob(verdict.again));
  if (over.state() != v1::SUCCEEDED) {
    context.Err(JobText(over, follower.details(), absl::Now(), context.err()));
    return ExitCodeOf(over.state());
  }
  if (options.resume_check && !follower.interrupted()) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "TOO_SHORT",
        absl::StrCat(ShortName(verdict.again),
                     " was over before it could be interrupted: nothing "
                     "is known about a resume. Train for longer, or verify without "
                     "--resume-check"));
  }
  ASSIGN_OR_RETURN(verdict.digest_again, WeightDigest(*client, over));
  Print(context, verdict);
  return verdict.identical() ? kExitOk : kExitFailed;
}

}  // namespace skytrain::client
