#include "server/training/loop/progress_meter.h"

#include <algorithm>

namespace skytrain::training {
namespace {

constexpr absl::Duration kReportEvery = absl::Milliseconds(500);

}  // namespace

ProgressMeter::ProgressMeter(EventSink& sink, Clock& clock, int epochs, int64_t remaining_samples)
    : sink_(sink), clock_(clock), epochs_(epochs), remaining_samples_(remaining_samples) {}

void ProgressMeter::Begin(absl::string_view phase, int epoch, int64_t done, int64_t total) {
  training_ = phase == "train" || phase == "find_lr";
  phase_samples_ = 0;
  phase_start_ = clock_.Monotonic();
  progress_.set_phase(std::string(phase));
  progress_.set_unit("images");
  progress_.set_done(done);
  progress_.set_total(total);
  progress_.set_epoch(epoch);
  progress_.set_epochs(epochs_);
  Report();
}

void ProgressMeter::Add(int64_t samples) {
  phase_samples_ += samples;
  progress_.set_done(progress_.done() + samples);
  const absl::Duration now = clock_.Monotonic();
  if (training_) {
    remaining_samples_ = std::max<int64_t>(0, remaining_samples_ - samples);
    const double seconds = absl::ToDoubleSeconds(now - phase_start_);
    if (seconds > 0.0) rate_ = static_cast<double>(phase_samples_) / seconds;
  }
  if (now - last_report_ >= kReportEvery) Report();
}

void ProgressMeter::End() {
  if (progress_.phase() == "validate") {
    validation_seconds_ = absl::ToDoubleSeconds(clock_.Monotonic() - phase_start_);
  }
  Report();
}

double ProgressMeter::EtaSeconds() const {
  if (rate_ <= 0.0) return 0.0;
  const int epochs_left = std::max(0, epochs_ - progress_.epoch());
  return static_cast<double>(remaining_samples_) / rate_ + epochs_left * validation_seconds_;
}

void ProgressMeter::Report() {
  last_report_ = clock_.Monotonic();
  progress_.set_images_per_second(rate_);
  progress_.set_eta_seconds(EtaSeconds());
  sink_.Progress(progress_);
}

}  // namespace skytrain::training
