#include "server/training/loop/predictor.h"

#include <algorithm>
#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"

namespace skytrain::training {
namespace {

constexpr int kTurns = 8;

// Mean and deviation over passes, one after the other (Welford 1962): the average of equal numbers
// is that number, to the last bit.
class Moments {
 public:
  void Add(const at::Tensor& values) {
    const at::Tensor x = values.to(at::kDouble);
    ++count_;
    if (count_ == 1) {
      mean_ = x.clone();
      squares_ = at::zeros_like(x);
      return;
    }
    const at::Tensor off = x - mean_;
    mean_ += off / static_cast<double>(count_);
    squares_ += off * (x - mean_);
  }

  at::Tensor mean() const { return mean_.to(at::kFloat); }
  at::Tensor deviation() const {
    return (squares_ / static_cast<double>(count_)).sqrt().to(at::kFloat);
  }

 private:
  int64_t count_ = 0;
  at::Tensor mean_, squares_;
};

}  // namespace

at::Tensor Turned(const at::Tensor& images, Turn turn) {
  const at::Tensor mirrored = (turn & kFlip) != 0 ? images.flip({3}) : images;
  return (turn & 3) != 0 ? mirrored.rot90(turn & 3, {2, 3}) : mirrored;
}

Predictor::Predictor(std::vector<PredictingModel> models, const PredictOptions& options)
    : models_(std::move(models)), options_(options) {
  for (const PredictingModel& one : models_) {
    scales_.push_back(ScaleOf(models_.front().normalisation, one.normalisation));
    at::Tensor mirrored;
    if (!one.mirrored_classes.empty()) {
      mirrored = at::tensor(at::ArrayRef<int32_t>(one.mirrored_classes))
                     .to(at::kLong)
                     .to(one.model.parameters().front().tensor.device());
    }
    mirrored_.push_back(std::move(mirrored));
  }
}

int64_t Predictor::passes() const {
  return static_cast<int64_t>(models_.size()) * (options_.dihedral ? kTurns : 1) *
         std::max(options_.dropout_samples, 1);
}

int64_t Predictor::features() const {
  return options_.features ? models_.front().model.FeatureCount() : 0;
}

// (x * d + m - m') / d' of (pixel - m) / d.
Predictor::Scale Predictor::ScaleOf(const Normalisation& from, const Normalisation& to) {
  if (from.mean == to.mean && from.deviation == to.deviation) return {};
  std::vector<float> scale, bias;
  for (size_t c = 0; c < from.mean.size(); ++c) {
    scale.push_back(static_cast<float>(from.deviation[c] / to.deviation[c]));
    bias.push_back(static_cast<float>((from.mean[c] - to.mean[c]) / to.deviation[c]));
  }
  return {at::tensor(at::ArrayRef<float>(scale)), at::tensor(at::ArrayRef<float>(bias))};
}

Predicted Predictor::Predict(const at::Tensor& input, int64_t position) {
  const at::NoGradGuard no_grad;
  const bool images = input.dim() == 4;
  const int turns = options_.dihedral ? kTurns : 1, draws = std::max(options_.dropout_samples, 1);
  Moments predictions, outputs;
  Predicted predicted;
  for (size_t m = 0; m < models_.size(); ++m) {
    const PredictingModel& one = models_[m];
    one.model.SetTraining(false);
    at::Tensor shown = input;
    if (const Scale& scale = scales_[m]; scale.scale.defined()) {
      const std::vector<int64_t> shape =
          images ? std::vector<int64_t>{1, -1, 1, 1} : std::vector<int64_t>{1, -1};
      shown = shown * scale.scale.to(input.device()).view(shape) +
              scale.bias.to(input.device()).view(shape);
    }
    for (int turn = 0; turn < turns; ++turn) {
      at::Tensor turned = shown;
      if (turn > 0) {
        turned = Turned(shown, static_cast<Turn>(turn)).contiguous(at::MemoryFormat::ChannelsLast);
      }
      for (int draw = 0; draw < draws; ++draw) {
        one.model.SetDraw({one.seed, int64_t{draw} * turns + turn, position,
                           /*always=*/options_.dropout_samples > 0});
        const bool first = m == 0 && turn == 0 && draw == 0;
        const at::Tensor out =
            one.model.Forward(turned, first && options_.features ? &predicted.features : nullptr);
        at::Tensor prediction = one.task.Predictions(out);
        if ((turn & kFlip) != 0 && mirrored_[m].defined()) {
          prediction = prediction.index_select(1, mirrored_[m]);
        }
        if (passes() == 1) return {out, std::move(prediction), {}, predicted.features};
        predictions.Add(prediction);
        outputs.Add(out);
      }
    }
    one.model.SetDraw({});
  }
  predicted.predictions = predictions.mean();
  predicted.spread = predictions.deviation();
  predicted.outputs = task().OutputsFor(predicted.predictions, outputs.mean());
  return predicted;
}

}  // namespace skytrain::training
