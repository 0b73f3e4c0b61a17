#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/spec/plan.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::data {

// A data set as training sees it: decoded once, mapped into memory, read-only, shared between
// processes. Exactly one of `pixels` and `features` is not empty. Thread-safe, since immutable.
class Dataset {
 public:
  virtual ~Dataset() = default;

  int64_t count() const { return static_cast<int64_t>(labels_.size()); }
  // Images: uint8 [count, height, width, 3], RGB. The canvas: `size`, or up to twice that where the
  // augmentation needs a margin (see CanvasSize).
  // Mapped, and perhaps more than fits into memory: whoever looks at them calls CheckPixels first.
  absl::Span<const uint8_t> pixels() const { return pixels_; }
  // Has the pixels of `samples` read ahead, and waits for none.
  virtual void WillRead(absl::Span<const int64_t> /*samples*/) const {}
  // Whether the pixels of `samples` are those that were decoded; each is looked at once in the life
  // of this object. DATA_LOSS (CACHE_CORRUPT) naming file and sample; the file is then gone.
  virtual absl::Status CheckPixels(absl::Span<const int64_t> /*samples*/) const {
    return absl::OkStatus();
  }
  int height() const { return height_; }
  int width() const { return width_; }
  // Tables: float32 [count, columns], as in the file (not normalised).
  absl::Span<const float> features() const { return features_; }
  int columns() const { return columns_; }

  // False: the samples are only predicted, and have neither class nor targets.
  bool labelled() const { return !classes_.empty() || !target_names_.empty(); }
  // Index into classes(); 0 where there are none.
  absl::Span<const int32_t> labels() const { return labels_; }
  const std::vector<std::string>& classes() const { return classes_; }
  // Where samples have numbers instead of classes: float32 [count, target_columns()], as in the
  // table.
  absl::Span<const float> targets() const { return targets_; }
  int target_columns() const { return static_cast<int>(target_names_.size()); }
  const std::vector<std::string>& target_names() const { return target_names_; }
  // Of each sample in the loss, 0 or greater: [count], or empty where all weigh the same.
  absl::Span<const float> weights() const { return weights_; }
  // Right ascension and declination of each sample in degrees, as in the catalog: float64
  // [count, 2], or empty where it has none. NaN: not known.
  absl::Span<const double> positions() const { return positions_; }
  const std::vector<std::string>& ids() const {
    return ids_;
  }  // One a sample: file stem, id column, or row number.

  // Sample numbers of each split, in a fixed order, disjoint. After Data.splits was applied.
  const std::vector<int64_t>& train() const { return train_; }
  const std::vector<int64_t>& validation() const { return validation_; }
  const std::vector<int64_t>& test() const { return test_; }
  // Train samples whose label data.label_noise changed.
  int64_t noisy_labels() const { return noisy_labels_; }

  // Images of validation and test that, pixel for pixel on the canvas, are also among train, and
  // the first twenty pairs of them. Not looked for in tables.
  int64_t leaked() const { return leaked_; }
  const std::vector<std::string>& leaked_names() const { return leaked_names_; }

  const v1::DatasetManifest& manifest() const { return manifest_; }
  int64_t skipped() const { return skipped_; }
  const std::vector<std::string>& skipped_names() const { return skipped_names_; }

 protected:
  absl::Span<const uint8_t> pixels_;
  int height_ = 0, width_ = 0;
  absl::Span<const float> features_;
  int columns_ = 0;
  std::vector<int32_t> labels_;
  std::vector<float> targets_, weights_;
  std::vector<double> positions_;
  std::vector<std::string> classes_, target_names_, ids_;
  std::vector<int64_t> train_, validation_, test_;
  v1::DatasetManifest manifest_;
  int64_t noisy_labels_ = 0;
  int64_t skipped_ = 0, leaked_ = 0;
  std::vector<std::string> skipped_names_, leaked_names_;
};

struct OpenOptions {
  v1::Data data;
  spec::TargetColumns targets;          // What the task needs of a table.
  std::string cache_dir;                // Decode-once cache.
  std::vector<std::string> data_roots;  // Sources must lie below one of them after symlinks are
                                        // resolved; empty: anywhere.
  int threads = 1;                      // For decoding.
  // Evaluation of a published model: every usable sample of `evaluation_split` ("": "test", else
  // "val", else all) is in test(), and labels are mapped onto `classes` (DATA_INVALID for another
  // class). Where `targets` says that nothing is labelled, all samples are, whatever their splits.
  // Otherwise classes come from the set and splits from `data.splits`.
  bool evaluation = false;
  std::vector<std::string> classes;
  std::string evaluation_split;
  // The columns of a table that the model knows, in its order; other columns are ignored then.
  std::vector<std::string> features;
  // Called with (done, total) now and then, from one decoding thread at a time. May be empty.
  std::function<void(int64_t, int64_t)> progress;
  // True ends the work with CANCELLED. Called from every decoding thread. May be empty.
  std::function<bool()> stop;
};

// Opens, checks, decodes into the cache (or finds it there) and splits.
// NOT_FOUND (DATA_NOT_FOUND), PERMISSION_DENIED (OUTSIDE_DATA_ROOTS), INVALID_ARGUMENT
// (DATA_INVALID, naming files, rows and counts), RESOURCE_EXHAUSTED (disk full), CANCELLED.
absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(const OpenOptions& options);

// What skytrain-probe reports: reads indexes and image headers, decodes nothing. Same errors.
absl::StatusOr<v1::DatasetManifest> InspectDataset(const v1::Data& data,
                                                   const spec::TargetColumns& targets,
                                                   const std::vector<std::string>& data_roots);

}  // namespace skytrain::data
