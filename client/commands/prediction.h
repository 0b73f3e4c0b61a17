#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/commands/commands.h"
#include "client/render/job_text.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::client {

// What `evaluate` and `predict` do alike.

// "stars.parquet" to the format that its suffix tells; "-" and "": CSV. INVALID_ARGUMENT
// (BAD_ARGUMENTS).
absl::StatusOr<v1::Output::Format> FormatOf(const std::string& file);

// How an evaluation that was followed ended.
struct EvaluationEnd {
  // Over; nullopt: Ctrl-C, or --detach: all is said.
  std::optional<v1::Job> job;
  JobDetails details;
  ExitCode code = kExitOk;
};

// Submits `evaluation`, in which models, data and resources are filled in from `options`, and
// follows it. How a job that failed ended is said.
absl::StatusOr<EvaluationEnd> RunEvaluation(Context& context, Client& client,
                                            const EvaluateOptions& options,
                                            v1::Evaluation evaluation);

// Brings the job's predictions to `file`; "-": stdout. NOT_FOUND (NO_PREDICTIONS).
absl::StatusOr<v1::JobFile> BringPredictions(Context& context, Client& client, const v1::Job& job,
                                             const std::string& file);

// On stdout, as the output format wants it, or as text on stderr.
void PrintReport(Context& context, const v1::EvaluationReport& report, bool to_stderr);

}  // namespace skytrain::client
