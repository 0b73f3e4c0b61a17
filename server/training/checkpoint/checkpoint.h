#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/file/file_system.h"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/models/model.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::training {

// What the same bits depend on besides the data. A resume under another identity is refused by
// nobody, but told: the run is then correct, not bit-identical.
struct RunIdentity {
  std::string build;
  std::string instruction_set;  // As InstructionSet() of precision.h names it, "AVX512_BF16".
  std::string precision;        // "fp32" or "bf16".
  std::string device;
  uint64_t seed = 0;
  int threads = 1;
  int world_size = 1;
  bool operator==(const RunIdentity&) const = default;
};

// The best epoch so far by train.select.
struct BestSoFar {
  int64_t step = 0;
  int epoch = 0;
  double value = 0.0;
  v1::EvaluationReport validation;
};

// The newest epoch that train.early_stop counts as a gain.
struct LastGain {
  int epoch = 0;
  double value = 0.0;
};

// Where a run is, at a step boundary.
struct TrainingState {
  int64_t step = 0;               // Optimizer steps done.
  int epoch = 0;                  // Whole epochs done (trained and validated).
  int64_t batches = 0;            // Done of the epoch after those.
  double epoch_loss_sum = 0.0;    // Of those batches.
  double epoch_metric_sum = 0.0;  // Sum of Task::TrainSum.
  int64_t epoch_samples = 0;
  int averaged_epochs = 0;  // Of train.swa: in the mean so far.
  std::optional<BestSoFar> best;
  std::optional<LastGain> gain;
};

// A checkpoint is a folder step-N, written as step-N.tmp, each file synced, renamed, parent synced:
//   model.safetensors      parameters and buffers
//   optimizer.safetensors  Optimizer::State
//   average.safetensors    WeightAverage::State, where train.ema is set, or train.swa has begun
//   best.safetensors       what was validated in the best epoch, where that is another step
//   state.json             {"state": {…}, "sha256": of that object's text}; the state also holds
//                          size and SHA-256 of the other files
struct Checkpoint {
  TrainingState state;
  RunIdentity identity;
  std::vector<NamedTensor> model, optimizer;
  std::vector<NamedTensor> average;  // Empty: none.
  // Empty: none yet, or what is validated of this checkpoint itself is the best.
  std::vector<NamedTensor> best;
};

struct SavedCheckpoint {
  std::string path;
  FileDigest model;
  int64_t size_bytes = 0;  // Of all files.
};

// Writes the checkpoints of one attempt. Not thread-safe.
class CheckpointWriter {
 public:
  // Below `folder`, which is made when absent. Keeps the `keep` newest, and the best.
  CheckpointWriter(FileSystem& fs, std::string folder, int keep);

  // RESOURCE_EXHAUSTED (disk full), or another error of the file system; then nothing but whole
  // checkpoints is left behind.
  absl::StatusOr<SavedCheckpoint> Save(const Checkpoint& checkpoint);

 private:
  absl::StatusOr<SavedCheckpoint> WriteFiles(const Checkpoint& checkpoint, const std::string& path);
  absl::Status RemoveOld(int64_t best_step);

  FileSystem& fs_;
  const std::string folder_;
  const int keep_;
};

// Reads a checkpoint folder and checks every digest. DATA_LOSS (CHECKPOINT_CORRUPT), naming the
// file.
absl::StatusOr<Checkpoint> LoadCheckpoint(FileSystem& fs, const std::string& path);

struct NewestCheckpoint {
  std::string path;                  // Empty: there is no whole one.
  std::vector<std::string> skipped;  // Torn ones that are newer: path and reason.
};

// The newest whole checkpoint below `folder`.
absl::StatusOr<NewestCheckpoint> FindNewestCheckpoint(FileSystem& fs, const std::string& folder);

}  // namespace skytrain::training
