#include "server/training/loop/norm_statistics.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "common/status_macros.h"
#include "server/training/models/bf16_batch_norm.h"
#include "server/training/models/kept_buffers.h"

namespace skytrain::training {

absl::Status RecomputeStatistics(Model& model, const BatchSource& source, BatchOrder order,
                                 uint64_t seed, const RunControl& control, ProgressMeter& meter) {
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> statistics = model.TrainedStatistics();
  if (statistics.empty()) return absl::OkStatus();
  const int64_t batches = std::max<int64_t>(1, kStatisticsSamples / order.batch_size);
  const int64_t most = batches * order.batch_size;
  if (static_cast<int64_t>(order.samples.size()) > most) order.samples.resize(most);
  meter.Begin("statistics", static_cast<int>(order.epoch), 0,
              static_cast<int64_t>(order.samples.size()));
  std::vector<at::Tensor> sums;
  for (const at::Tensor& statistic : statistics) {
    sums.push_back(at::zeros_like(statistic, statistic.options().dtype(at::kDouble)));
  }
  int64_t samples = 0, done = 0;
  {
    const KeptBuffers kept(model);
    const bool was_training = model.training();
    model.SetTraining(true);
    BatchStream stream(source, std::move(order));
    while (std::optional<Batch> batch = stream.Next()) {
      if (control.stop.load()) break;
      // A step from zero towards the batch's own statistics is a known part of them.
      for (const at::Tensor& statistic : statistics) statistic.zero_();
      model.SetDraw({seed, 0, samples});
      model.Forward(batch->input);
      for (size_t i = 0; i < sums.size(); ++i) sums[i].add_(statistics[i]);
      samples += batch->labels.size(0);
      ++done;
      meter.Add(batch->labels.size(0));
    }
    model.SetTraining(was_training);
    RETURN_IF_ERROR(stream.status());
  }
  if (control.stop.load()) return absl::CancelledError("stopped while taking norms' statistics");
  meter.End();
  for (size_t i = 0; i < sums.size(); ++i) {
    statistics[i].copy_(sums[i] / (kNormMomentum * static_cast<double>(done)));
  }
  return absl::OkStatus();
}

}  // namespace skytrain::training
