#include "server/training/loop/loss_log.h"

#include <cmath>
#include <utility>

#include "ATen/ATen.h"

namespace skytrain::training {

void LossLog::Add(const TrainingStep::Found& found, int64_t step, double lr) {
  pending_.push_back({found, step, lr});
}

std::optional<LossLog::NonFinite> LossLog::Flush(int epoch, int64_t batch_size,
                                                 TrainingState& state) {
  if (pending_.empty()) return std::nullopt;
  std::vector<at::Tensor> losses, sums;
  for (const Pending& pending : pending_) {
    losses.push_back(pending.found.loss.reshape({}));
    sums.push_back(pending.found.train_sum);
  }
  const at::Tensor values = at::stack(losses).cpu();
  state.epoch_metric_sum += at::stack(sums).to(at::kDouble).sum().item<double>();
  const std::vector<Pending> looked_at = std::exchange(pending_, {});
  for (size_t i = 0; i < looked_at.size(); ++i) {
    const double loss = values.const_data_ptr<float>()[i];
    sink_.Metric("train/loss", looked_at[i].step, epoch, loss);
    sink_.Metric("lr", looked_at[i].step, epoch, looked_at[i].lr);
    if (!std::isfinite(loss)) return NonFinite{loss, looked_at[i].step, looked_at[i].lr};
    state.epoch_loss_sum += loss;
    state.epoch_samples += batch_size;
  }
  return std::nullopt;
}

}  // namespace skytrain::training
