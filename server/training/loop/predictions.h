#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/digest/digest.h"
#include "common/file/file_system.h"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/predictor.h"
#include "server/training/models/model.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// A CSV with a row for each sample: "id", "split"; of classification "label", "prediction" (names
// of classes) and "probability/CLASS" of each class; of other tasks "target/COLUMN" and
// "prediction/COLUMN" of each column, in the targets' units. What was predicted in several passes
// has "uncertainty/NAME" of each number too, its standard deviation over them. Samples without
// labels have no split, label and targets.
class PredictionTable {
 public:
  // ALREADY_EXISTS. `dataset` and `task` must outlive the table.
  static absl::StatusOr<std::unique_ptr<PredictionTable>> Create(FileSystem& fs,
                                                                 const std::string& path,
                                                                 const data::Dataset& dataset,
                                                                 const Task& task, bool spread);

  // RESOURCE_EXHAUSTED (disk full).
  absl::Status Add(const std::string& split, absl::Span<const int64_t> samples,
                   const Predicted& predicted);
  // Syncs.
  absl::StatusOr<FileDigest> Finish();

 private:
  PredictionTable(std::unique_ptr<WritableFile> file, const data::Dataset& dataset,
                  const Task& task, bool spread);
  void Append(float value);
  absl::Status Flush();

  const std::unique_ptr<WritableFile> file_;
  const data::Dataset& dataset_;
  const std::vector<std::string> names_;
  const bool classes_, spread_;
  std::string text_;
  Sha256 sha_;
  int64_t size_ = 0;
};

// A split whose samples are predicted.
struct PredictedSplit {
  std::string name;
  absl::Span<const int64_t> samples;
};

// Writes a PredictionTable with the samples of `splits`. At most one batch is in memory. `model` is
// left in evaluation mode. ALREADY_EXISTS, RESOURCE_EXHAUSTED (disk full).
absl::StatusOr<FileDigest> WritePredictions(FileSystem& fs, const std::string& path, Model& model,
                                            const BatchSource& source, const Task& task,
                                            int64_t batch_size,
                                            const std::vector<PredictedSplit>& splits);

}  // namespace skytrain::training
