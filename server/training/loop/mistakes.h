#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/file/file_system.h"
#include "server/data/dataset.h"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/predictor.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {

// The images that a model gets most wrong: of classification those whose class it mistakes, by
// their loss; of other tasks those of the greatest loss. For people.
class WorstMistakes {
 public:
  // Keeps `most` of them. `size`: side of the model's input, which is what is shown.
  WorstMistakes(const data::Dataset& dataset, const Task& task, int size, int most)
      : dataset_(dataset), task_(task), size_(size), most_(most) {}

  // `samples`: those of `batch`, with labels.
  void Add(absl::Span<const int64_t> samples, const Predicted& predicted, const Batch& batch);
  bool empty() const { return worst_.empty(); }

  // A PNG: of classification a group for each class with those taken for others, each with what it
  // was taken for and the probability of that; else one group, with losses and ids. The worst
  // first, and first the class with the worst. ALREADY_EXISTS, RESOURCE_EXHAUSTED (disk full).
  // There must be a mistake.
  absl::StatusOr<FileDigest> Write(FileSystem& fs, const std::string& path) const;

 private:
  struct Mistake {
    double loss = 0.0;
    int64_t sample = 0;
    std::string caption;
  };

  const data::Dataset& dataset_;
  const Task& task_;
  const int size_;
  const size_t most_;
  std::vector<Mistake> worst_;  // The worst first.
};

}  // namespace skytrain::training
