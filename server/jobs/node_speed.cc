#include "server/jobs/node_speed.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "common/status_macros.h"
#include "server/store/job_rows.h"
#include "server/store/speed_rows.h"

namespace skytrain {
namespace {

constexpr double kGpuFlops = 5e12;
// The backward pass costs twice the forward pass: gradients of inputs and of weights.
constexpr double kTrainingFactor = 3;
constexpr double kStepSeconds = 300e-6;
constexpr double kNewShare = 1.0 / 3;
// Below this a step's fixed costs are most of its time.
constexpr double kLeastFlopsPerSample = 1e6;

}  // namespace

Vectors DetectVectors() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) return Vectors::kBf16;
  if (__builtin_cpu_supports("avx512f")) return Vectors::kAvx512;
  if (__builtin_cpu_supports("avx2")) return Vectors::kAvx2;
#endif
  return Vectors::kOther;
}

double GuessedCoreFlops(Vectors vectors) {
  // ResNet18 on images of 64 pixels reached 67 (batches of 32) to 147 (128) GFLOP/s a core with
  // bfloat16 and 85 with float on AVX-512; AVX2 has half the width.
  switch (vectors) {
    case Vectors::kBf16:
      return 80e9;
    case Vectors::kAvx512:
      return 60e9;
    case Vectors::kAvx2:
      return 30e9;
    case Vectors::kOther:
      return 10e9;
  }
  return 10e9;
}

double EpochSeconds(const v1::Estimate& estimate, double flops) {
  const double samples = kTrainingFactor * static_cast<double>(estimate.train_samples()) +
                         static_cast<double>(estimate.validation_samples());
  return samples * estimate.flops_per_sample() / flops +
         static_cast<double>(estimate.steps_per_epoch()) * kStepSeconds;
}

double MeasuredFlops(double flops_per_sample, double images_per_second) {
  return kTrainingFactor * flops_per_sample * images_per_second;
}

void NodeSpeed::EstimateTime(absl::string_view kind, int devices, v1::Estimate& estimate) const {
  if (estimate.flops_per_sample() <= 0) return;
  std::optional<double> measured;
  // A guess is better than a refusal: without the table it is the default.
  database_
      .Read([&](Connection& connection) -> absl::Status {
        ASSIGN_OR_RETURN(measured, FindSpeed(connection, kind));
        return absl::OkStatus();
      })
      .IgnoreError();
  const double flops =
      measured.value_or(kind == "gpu" ? kGpuFlops : GuessedCoreFlops(DetectVectors()));
  estimate.set_epoch_seconds(EpochSeconds(estimate, flops * std::max(devices, 1)));
  estimate.set_speed_measured(measured.has_value());
}

absl::Status NodeSpeed::Learn(const v1::Job& job) const {
  const auto rate = job.metrics().find("images_per_second");  // Of the last epoch.
  if (rate == job.metrics().end() || !(rate->second > 0) || job.attempts().empty()) {
    return absl::OkStatus();
  }
  // Other work a step than what is counted.
  const v1::Optimizer& optimizer = job.experiment().optimizer();
  if (optimizer.has_sam() || optimizer.has_muon()) return absl::OkStatus();
  const auto& devices = job.attempts().rbegin()->devices();
  if (devices.empty()) return absl::OkStatus();
  const absl::string_view kind = absl::StartsWith(devices[0], "gpu:") ? "gpu" : "cpu";
  return database_.Write(Database::Priority::kBulk, [&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(const double per_sample, FlopsPerSample(connection, job.uid()));
    if (per_sample < kLeastFlopsPerSample) return absl::OkStatus();
    const double now = MeasuredFlops(per_sample, rate->second) / devices.size();
    ASSIGN_OR_RETURN(const std::optional<double> before, FindSpeed(connection, kind));
    return PutSpeed(connection, kind,
                    before.has_value() ? *before + kNewShare * (now - *before) : now);
  });
}

}  // namespace skytrain
