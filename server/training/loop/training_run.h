#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "c10/core/Device.h"
#include "common/clock.h"
#include "server/data/dataset.h"
#include "server/spec/plan.h"
#include "server/training/checkpoint/checkpoint.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/loop/event_sink.h"
#include "server/training/loop/run_control.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::training {

// What a run is made of, and all that it may touch.
struct TrainerOptions {
  const spec::TrainingPlan& plan;
  const data::Dataset& dataset;
  c10::Device device;
  EventSink& sink;
  RunControl& control;
  CheckpointWriter& checkpoints;
  Clock& clock;
  RunIdentity identity;
  const LoadedModel* init = nullptr;  // Of a plan with `init`.
};

struct TrainingOutcome {
  v1::AttemptEnd end = v1::ATTEMPT_END_UNSPECIFIED;  // COMPLETED, STOPPED or NON_FINITE_LOSS.
  std::string message;
  int64_t step = 0;  // Of the published weights.
  int epoch = 0;
  std::vector<v1::EvaluationReport> reports;  // Of the published weights: validation, test.
};

}  // namespace skytrain::training
