#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/training/checkpoint/checkpoint.h"
#include "server/training/loop/event_sink.h"
#include "server/training/loop/training_step.h"

namespace skytrain::training {

// What the device has found in training steps and the host has not looked at yet: each look waits
// for the device, so many steps share one. Not thread-safe.
class LossLog {
 public:
  struct NonFinite {
    double loss = 0.0;
    int64_t step = 0;
    double lr = 0.0;
  };

  // `most`: steps that a look may wait for.
  LossLog(EventSink& sink, size_t most) : sink_(sink), most_(most) {}

  // `step`: from 1.
  void Add(const TrainingStep::Found& found, int64_t step, double lr);
  bool due() const { return pending_.size() >= most_; }

  // Tells "train/loss" and "lr" of each step and adds them up in `state`, as samples of batches of
  // `batch_size`. Ends at the first loss that is not finite, which is returned.
  std::optional<NonFinite> Flush(int epoch, int64_t batch_size, TrainingState& state);

 private:
  struct Pending {
    TrainingStep::Found found;
    int64_t step = 0;
    double lr = 0.0;
  };
  EventSink& sink_;
  const size_t most_;
  std::vector<Pending> pending_;
};

}  // namespace skytrain::training
