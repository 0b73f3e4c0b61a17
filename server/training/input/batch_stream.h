#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "c10/core/Device.h"
#include "common/mutex.h"
#include "server/data/dataset.h"
#include "server/spec/plan.h"
#include "server/training/input/augment.h"
#include "server/training/input/gather.h"
#include "server/training/input/normalisation.h"

namespace skytrain::training {

// What batches are made from: a data set, its view, and where the batches are needed. On a GPU
// the pixels are kept in its memory when they take less than half of what is free, and batches are
// made there; not where a sample is damaged: who asks for it will hear. Outlives its streams;
// read-only after construction.
class BatchSource {
 public:
  // `size`: side of the model's input; 0 for a table.
  BatchSource(const data::Dataset& dataset, int size, Normalisation normalisation,
              const c10::Device& device);

  const data::Dataset& dataset() const { return dataset_; }
  const Normalisation& normalisation() const { return normalisation_; }
  const c10::Device& device() const { return device_; }
  bool resident() const { return resident_pixels_.defined(); }
  int64_t inputs() const;  // Values of one sample.

 private:
  friend class BatchStream;
  at::Tensor EmptyInputs(int64_t count, const c10::Device& device) const;
  ImageCanvas canvas() const;

  const data::Dataset& dataset_;
  const int size_;
  const Normalisation normalisation_;
  const c10::Device device_;
  PixelScale pixel_scale_ = {};
  at::Tensor resident_pixels_, scale_, bias_;
};

// Which samples, in which order, changed how.
struct BatchOrder {
  std::vector<int64_t> samples;
  int64_t batch_size = 1;
  bool drop_short = false;  // Leave out a last batch that is not full.
  int64_t first_batch = 0;  // Where a resumed epoch goes on.
  // Changes are drawn for (seed, epoch, position in `samples`).
  spec::AugmentPlan augment;
  // For each class the one of its mirror image; empty: its own.
  std::vector<int32_t> mirrored_classes;
  uint64_t seed = 0;
  uint64_t epoch = 0;
  // Samples are mixed with partners of their batch by a share from Beta(mixup, mixup); 0: not.
  double mixup = 0.0;
};

// For BatchOrder::mirrored_classes, from the names that data.augment.flip_swaps_classes pairs.
std::vector<int32_t> MirroredClasses(const spec::AugmentPlan& augment,
                                     const std::vector<std::string>& classes);

struct Batch {
  at::Tensor input;   // float32 [N, 3, S, S] channels_last, or [N, F]; on the source's device.
  at::Tensor labels;  // int64 [N]; 0 where the data set has no classes.
  // float32 [N, T] and [N]; undefined where the data set has no numbers as targets, no weights.
  at::Tensor targets = {}, weights = {};
  // What each sample keeps of itself; the rest of it is of its partner (see mixup.h).
  double mix_share = 1.0;

  // Samples first..first+count-1, in the same memory.
  Batch Part(int64_t first, int64_t count) const;
};

// `batch` with the labels, targets and weights of each sample's partner.
Batch PartnersOf(Batch batch);

// One pass over an order. While a batch is being used, a thread of the stream's own prepares the
// next two; it runs plain loops only, because libgomp would give it a second pool of threads.
// Not thread-safe.
class BatchStream {
 public:
  BatchStream(const BatchSource& source, BatchOrder order);
  ~BatchStream();

  int64_t batches() const { return batches_; }  // Of the whole pass, from batch 0.
  // The next batch, or nullopt after the last and where the data are damaged: status() tells which.
  // Its memory is used again by the next call.
  std::optional<Batch> Next() ABSL_LOCKS_EXCLUDED(mu_);
  // DATA_LOSS (CACHE_CORRUPT) once a batch could not be made; see Dataset::CheckPixels.
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  static constexpr int kSlots = 3;
  // Where the thread puts a batch: the memory of a Batch's tensors.
  struct Places {
    float* input = nullptr;
    int64_t* labels = nullptr;
    float* targets = nullptr;
    float* weights = nullptr;
  };
  absl::Span<const int64_t> SamplesOf(int64_t batch) const;
  int64_t LabelOf(int64_t position) const;
  std::vector<Turn> TurnsOf(int64_t batch) const;
  std::vector<ImageChange> ChangesOf(int64_t batch) const;
  double ShareOf(int64_t batch) const;
  void FillInput(int64_t batch, float* input) const;
  Batch EmptyBatch(int64_t count) const;  // On the CPU; without input.
  void FillTargets(int64_t batch, const Places& places) const;
  void Prepare() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status PrepareBatch(int64_t batch);
  static Places PlacesOf(Batch& batch);
  Batch GatherOnDevice(int64_t batch) const;

  const BatchSource& source_;
  const BatchOrder order_;
  int64_t batches_ = 0;
  int64_t next_ = 0;
  std::array<Batch, kSlots> slots_;
  std::array<Places, kSlots> places_ = {};

  mutable Mutex mu_;
  CondVar changed_;
  int64_t prepared_ ABSL_GUARDED_BY(mu_) = 0;  // Batches below are ready (or gone).
  int64_t in_use_ ABSL_GUARDED_BY(mu_) = 0;    // Slots of batches below may be overwritten.
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);  // Why no more batches will be prepared.
  std::thread thread_;
};

}  // namespace skytrain::training
