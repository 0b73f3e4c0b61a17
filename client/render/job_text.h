#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "client/render/terminal.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain::client {

// What a job's events tell beyond the job itself.
struct JobDetails {
  std::optional<v1::DataSummary> data;
  std::map<std::string, v1::EvaluationReport> reports;  // Newest of each split.
  std::optional<v1::ModelPublished> model;
  std::optional<v1::CheckpointSaved> checkpoint;

  void Apply(const v1::Event& event);
  // The report that a run is judged by: of the test split, else of the last one measured.
  const v1::EvaluationReport* Final() const;
};

// "3 images of validation or test are also in train: b (test) is a (train), …"; empty: none are.
std::string LeakText(const v1::DataSummary& data);

// `show`, and the end of `watch`: what it is, how it stands, what it found, what to do next.
// `file`: the experiment's file, for hints; may be empty.
std::string JobText(const v1::Job& job, const JobDetails& details, absl::Time now,
                    const Terminal& terminal);

// The lines of an accepted submission, the job's name in front.
std::string AcceptedText(const v1::CreateJobResponse& response, bool dry_run);

// "595 train, 105 validation, 200 test; 3 classes".
std::string SplitsText(int64_t train, int64_t validation, int64_t test, int classes);

// "1 image without a label (100023.jpg)" for each kind of problem, comma-separated.
std::string ProblemsText(const v1::DatasetManifest& manifest);

// "epoch 12/30", "decode", "–".
std::string ProgressText(const v1::Job& job);

}  // namespace skytrain::client
