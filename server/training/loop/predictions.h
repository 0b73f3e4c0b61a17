#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/file/file_system.h"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/input/batch_stream.h"
#include "server/training/models/model.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// A split whose samples are predicted.
struct PredictedSplit {
  std::string name;
  absl::Span<const int64_t> samples;
};

// Writes a CSV with a row for each sample of `splits` and syncs it: "id", "split"; of
// classification "label", "prediction" (names of classes) and "probability/CLASS" of each class; of
// other tasks "target/COLUMN" and "prediction/COLUMN" of each column, in the targets' units. At
// most one batch is in memory. `model` is left in evaluation mode. ALREADY_EXISTS,
// RESOURCE_EXHAUSTED (disk full).
absl::StatusOr<FileDigest> WritePredictions(FileSystem& fs, const std::string& path, Model& model,
                                            const BatchSource& source, const Task& task,
                                            int64_t batch_size,
                                            const std::vector<PredictedSplit>& splits);

}  // namespace skytrain::training
