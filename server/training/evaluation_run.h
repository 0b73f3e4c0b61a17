#pragma once

#include "absl/status/statusor.h"
#include "server/training/attempt_run.h"
#include "skytrain/internal/v1/record.pb.h"

namespace skytrain::training {

// Asks the published models that an attempt's EvaluationWork names: measures them where the samples
// have labels, which ends in an EvaluationReport, and writes the files of its `output` below
// AttemptDir::OutputPath, which ends in a FilesWritten. INVALID_ARGUMENT (INVALID_EXPERIMENT) where
// the models cannot be asked together, or so; DATA_LOSS (MODEL_CORRUPT), and the errors of
// OpenDataset.
absl::StatusOr<internal::v1::RankResult> RunEvaluation(const AttemptContext& context);

}  // namespace skytrain::training
