#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/digest/digest.h"
#include "common/file/file_system.h"
#include "server/data/table_writer.h"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/predictor.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// A file with a row for each sample, in these columns, of which samples without labels lack split,
// label and targets:
//   id, split
//   ra, dec              degrees, where the catalog has them
//   label, prediction    of classification: names of classes
//   uncertainty          of classification: entropy of the probabilities over log(classes), 0..1
//   target/COLUMN        of other tasks, as in the table
//   probability/CLASS    of classification; else prediction/COLUMN, in the targets' units
//   uncertainty/NAME     of each of those numbers, where it is known: its deviation over several
//                        passes, or of vote counts that of the Dirichlet distribution
//   features             inputs of the last layer, where they are asked for
class PredictionTable {
 public:
  // ALREADY_EXISTS; INVALID_ARGUMENT (DATA_INVALID) where Parquet cannot be written. `dataset` and
  // `predictor` must outlive the table.
  static absl::StatusOr<std::unique_ptr<PredictionTable>> Create(FileSystem& fs,
                                                                 const std::string& path,
                                                                 data::TableFormat format,
                                                                 const data::Dataset& dataset,
                                                                 const Predictor& predictor);

  // RESOURCE_EXHAUSTED (disk full).
  absl::Status Add(const std::string& split, absl::Span<const int64_t> samples,
                   const Predicted& predicted);
  // Syncs.
  absl::StatusOr<FileDigest> Finish();

 private:
  PredictionTable(std::unique_ptr<WritableFile> file, const data::Dataset& dataset,
                  const Predictor& predictor);
  std::vector<data::TableColumn> Columns() const;

  const std::unique_ptr<WritableFile> file_;
  const data::Dataset& dataset_;
  const Task& task_;
  const std::vector<std::string> names_;
  const bool classes_;
  const bool deviations_;
  const int64_t features_;
  Sha256 sha_;
  int64_t size_ = 0;
  std::unique_ptr<data::TableWriter> writer_;  // Last: what it writes to must outlive it.
};

}  // namespace skytrain::training
