#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/file/file_system.h"
#include "server/spec/plan.h"
#include "server/training/checkpoint/model_card.h"
#include "server/training/loop/mistakes.h"
#include "server/training/loop/predictions.h"
#include "server/training/loop/predictor.h"

namespace skytrain::training {

// The files that an OutputPlan asks for, written while samples are predicted: "predictions.csv" (or
// .parquet, .jsonl) and "mistakes.png".
class OutputFiles {
 public:
  // `folder` exists. `size`: side of the model's input. What is given must outlive this.
  // ALREADY_EXISTS; INVALID_ARGUMENT (DATA_INVALID) where Parquet cannot be written.
  static absl::StatusOr<std::unique_ptr<OutputFiles>> Create(FileSystem& fs, std::string folder,
                                                             const spec::OutputPlan& plan,
                                                             const data::Dataset& dataset,
                                                             const Predictor& predictor, int size);

  // `samples`: those of `batch`. `show_mistakes`: some of them may be on the sheet.
  // RESOURCE_EXHAUSTED (disk full).
  absl::Status Add(const std::string& split, absl::Span<const int64_t> samples,
                   const Predicted& predicted, const Batch& batch, bool show_mistakes);

  // The files that there are, each synced.
  absl::StatusOr<std::vector<NamedDigest>> Finish();

 private:
  OutputFiles(FileSystem& fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

  FileSystem& fs_;
  const std::string folder_;
  std::string table_name_;
  std::unique_ptr<PredictionTable> table_;  // Null: none is wanted.
  std::optional<WorstMistakes> mistakes_;
};

}  // namespace skytrain::training
