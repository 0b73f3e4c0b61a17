#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "server/training/loop/event_sink.h"

namespace skytrain::training {

// Turns counts of samples into Progress: rate, and time to the end of the run. Says something at
// the start and end of a phase and at most twice a second in between. Not thread-safe.
class ProgressMeter {
 public:
  // `remaining_samples`: training samples of the whole run still to come, from `epoch` 0 on.
  ProgressMeter(EventSink& sink, Clock& clock, int epochs, int64_t remaining_samples);

  // "train", "find_lr", "statistics", "validate" or "test", over `total` samples, of which `done`
  // were done before.
  void Begin(absl::string_view phase, int epoch, int64_t done, int64_t total);
  void Add(int64_t samples);
  void End();

  double images_per_second() const { return rate_; }  // Of the newest training phase.

 private:
  void Report();
  double EtaSeconds() const;

  EventSink& sink_;
  Clock& clock_;
  const int epochs_;
  int64_t remaining_samples_;
  v1::Progress progress_;
  bool training_ = false;
  int64_t phase_samples_ = 0;  // Since Begin.
  absl::Duration phase_start_, last_report_;
  double rate_ = 0.0;
  double validation_seconds_ = 0.0;  // Of the last validation.
};

}  // namespace skytrain::training
