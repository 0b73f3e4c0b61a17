#include "server/training/input/batch_stream.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ATen/ATen.h"
#include "common/status_macros.h"
#include "server/training/gpu/gpu_plugin.h"
#include "server/training/input/mixup.h"
#include "server/training/input/to_device.h"

namespace skytrain::training {
namespace {

// uint8 [N * sizeof(ImageChange)], as the plug-in takes them.
at::Tensor ChangesAsBytes(const std::vector<ImageChange>& changes) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(changes.data());
  return at::tensor(at::ArrayRef<uint8_t>(bytes, changes.size() * sizeof(ImageChange)));
}

std::vector<at::Tensor*> PartsOf(Batch& batch) {
  std::vector<at::Tensor*> parts;
  for (at::Tensor* part : {&batch.input, &batch.labels, &batch.targets, &batch.weights}) {
    if (part->defined()) parts.push_back(part);
  }
  return parts;
}

// Waits: the memory of `batch` is used again.
Batch MoveTo(const c10::Device& device, Batch batch) {
  if (!device.is_cuda()) return batch;
  for (at::Tensor* part : PartsOf(batch)) *part = part->to(device);
  return batch;
}

}  // namespace

BatchSource::BatchSource(const data::Dataset& dataset, int size, Normalisation normalisation,
                         const c10::Device& device)
    : dataset_(dataset), size_(size), normalisation_(std::move(normalisation)), device_(device) {
  if (size_ == 0) return;
  pixel_scale_ = MakePixelScale(normalisation_);
  const GpuPlugin* gpu = LoadedGpuPlugin();
  if (!device_.is_cuda() || gpu == nullptr) return;
  const int64_t bytes = static_cast<int64_t>(dataset_.pixels().size());
  if (bytes > gpu->free_memory(device_.index()) / 2) return;
  std::vector<int64_t> all(dataset_.count());
  std::iota(all.begin(), all.end(), int64_t{0});
  if (!dataset_.CheckPixels(all).ok()) return;
  // from_blob needs a mutable pointer; the copy to the device only reads.
  resident_pixels_ =
      at::from_blob(const_cast<uint8_t*>(dataset_.pixels().data()), {bytes}, at::kByte).to(device_);
  scale_ = at::tensor(at::ArrayRef<float>(pixel_scale_.scale)).to(device_);
  bias_ = at::tensor(at::ArrayRef<float>(pixel_scale_.bias)).to(device_);
}

int64_t BatchSource::inputs() const {
  return size_ > 0 ? int64_t{3} * size_ * size_ : dataset_.columns();
}

at::Tensor BatchSource::EmptyInputs(int64_t count, const c10::Device& device) const {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  if (size_ == 0) return at::empty({count, dataset_.columns()}, options);
  return at::empty({count, 3, size_, size_}, options, at::MemoryFormat::ChannelsLast);
}

ImageCanvas BatchSource::canvas() const {
  return {dataset_.pixels().data(), dataset_.height(), dataset_.width(), size_};
}

std::vector<int32_t> MirroredClasses(const spec::AugmentPlan& augment,
                                     const std::vector<std::string>& classes) {
  if (augment.flip_swaps_classes.empty()) return {};
  const auto number_of = [&](const std::string& name) {
    return std::find(classes.begin(), classes.end(), name) - classes.begin();
  };
  std::vector<int32_t> mirrored(classes.size());
  std::iota(mirrored.begin(), mirrored.end(), 0);
  for (const auto& [one, other] : augment.flip_swaps_classes) {
    std::swap(mirrored.at(number_of(one)), mirrored.at(number_of(other)));
  }
  return mirrored;
}

Batch PartnersOf(Batch batch) {
  batch.labels = batch.labels.flip(0);
  if (batch.targets.defined()) batch.targets = batch.targets.flip(0);
  if (batch.weights.defined()) batch.weights = batch.weights.flip(0);
  return batch;
}

Batch Batch::Part(int64_t first, int64_t count) const {
  const auto part = [&](const at::Tensor& whole) {
    return whole.defined() ? whole.narrow(0, first, count) : whole;
  };
  return {part(input), part(labels), part(targets), part(weights), mix_share};
}

BatchStream::BatchStream(const BatchSource& source, BatchOrder order)
    : source_(source), order_(std::move(order)) {
  const int64_t samples = static_cast<int64_t>(order_.samples.size());
  const int64_t size = order_.batch_size;
  batches_ = order_.drop_short ? samples / size : (samples + size - 1) / size;
  next_ = prepared_ = in_use_ = order_.first_batch;
  if (source_.resident() || next_ >= batches_) return;
  const int64_t most = std::min(size, samples);
  for (int i = 0; i < kSlots; ++i) {
    slots_[i] = EmptyBatch(most);
    slots_[i].input = source_.EmptyInputs(most, c10::Device(c10::kCPU));
    places_[i] = PlacesOf(slots_[i]);
  }
  thread_ = std::thread([this] { Prepare(); });
}

BatchStream::~BatchStream() {
  {
    MutexLock lock(mu_);
    done_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

absl::Span<const int64_t> BatchStream::SamplesOf(int64_t batch) const {
  return absl::MakeConstSpan(order_.samples).subspan(batch * order_.batch_size, order_.batch_size);
}

int64_t BatchStream::LabelOf(int64_t position) const {
  const int32_t label = source_.dataset().labels()[order_.samples[position]];
  if (order_.mirrored_classes.empty()) return label;
  const Turn turn = DrawTurn(order_.augment, order_.seed, order_.epoch, position);
  return (turn & kFlip) != 0 ? order_.mirrored_classes[label] : label;
}

std::vector<Turn> BatchStream::TurnsOf(int64_t batch) const {
  const int64_t first = batch * order_.batch_size;
  std::vector<Turn> turns(SamplesOf(batch).size());
  for (size_t i = 0; i < turns.size(); ++i) {
    turns[i] = DrawTurn(order_.augment, order_.seed, order_.epoch, first + i);
  }
  return turns;
}

std::vector<ImageChange> BatchStream::ChangesOf(int64_t batch) const {
  const int64_t first = batch * order_.batch_size;
  const absl::Span<const int64_t> samples = SamplesOf(batch);
  const ImageCanvas canvas = source_.canvas();
  std::vector<ImageChange> changes(samples.size());
  for (size_t i = 0; i < changes.size(); ++i) {
    const float grey = order_.augment.contrast > 0.0 ? MeanGrey(canvas, samples[i]) : 0.0F;
    changes[i] = DrawChange(order_.augment, canvas, grey, order_.seed, order_.epoch, first + i);
  }
  return changes;
}

double BatchStream::ShareOf(int64_t batch) const {
  if (order_.mixup == 0.0) return 1.0;
  return DrawMixShare(order_.mixup, order_.seed, order_.epoch, batch);
}

void BatchStream::FillInput(int64_t batch, float* input) const {
  const absl::Span<const int64_t> samples = SamplesOf(batch);
  const data::Dataset& dataset = source_.dataset();
  if (source_.size_ == 0) {
    GatherRows(dataset.features(), dataset.columns(), samples, source_.normalisation_, input);
  } else if (NeedsInterpolation(order_.augment)) {
    AugmentImages(source_.canvas(), samples, ChangesOf(batch), source_.pixel_scale_, input);
  } else {
    GatherImages(source_.canvas(), samples, TurnsOf(batch), source_.pixel_scale_, input);
  }
  const int64_t count = static_cast<int64_t>(samples.size());
  const double share = ShareOf(batch);
  if (share < 1.0) MixSamples(share, count, absl::MakeSpan(input, count * source_.inputs()));
}

Batch BatchStream::EmptyBatch(int64_t count) const {
  const data::Dataset& dataset = source_.dataset();
  Batch batch;
  batch.labels = at::empty({count}, at::kLong);
  if (dataset.target_columns() > 0) {
    batch.targets = at::empty({count, dataset.target_columns()}, at::kFloat);
  }
  if (!dataset.weights().empty()) batch.weights = at::empty({count}, at::kFloat);
  return batch;
}

BatchStream::Places BatchStream::PlacesOf(Batch& batch) {
  Places places;
  if (batch.input.defined()) places.input = batch.input.mutable_data_ptr<float>();
  places.labels = batch.labels.mutable_data_ptr<int64_t>();
  if (batch.targets.defined()) places.targets = batch.targets.mutable_data_ptr<float>();
  if (batch.weights.defined()) places.weights = batch.weights.mutable_data_ptr<float>();
  return places;
}

void BatchStream::FillTargets(int64_t batch, const Places& places) const {
  const absl::Span<const int64_t> samples = SamplesOf(batch);
  const int64_t first = batch * order_.batch_size;
  const data::Dataset& dataset = source_.dataset();
  const int64_t columns = dataset.target_columns();
  for (size_t i = 0; i < samples.size(); ++i) {
    places.labels[i] = LabelOf(first + static_cast<int64_t>(i));
    if (places.weights != nullptr) places.weights[i] = dataset.weights()[samples[i]];
    if (places.targets != nullptr) {
      std::copy_n(dataset.targets().data() + samples[i] * columns, columns,
                  places.targets + static_cast<int64_t>(i) * columns);
    }
  }
}

void BatchStream::Prepare() {
  source_.dataset().WillRead(SamplesOf(order_.first_batch));
  for (int64_t batch = order_.first_batch; batch < batches_; ++batch) {
    {
      MutexLock lock(mu_);
      while (!done_ && batch >= in_use_ + kSlots) changed_.Wait(mu_);
      if (done_) return;
    }
    const absl::Status prepared = PrepareBatch(batch);
    MutexLock lock(mu_);
    if (prepared.ok()) {
      prepared_ = batch + 1;
    } else {
      status_ = prepared;
    }
    changed_.NotifyAll();
    if (!prepared.ok()) return;
  }
}

absl::Status BatchStream::PrepareBatch(int64_t batch) {
  const data::Dataset& dataset = source_.dataset();
  if (batch + 1 < batches_) dataset.WillRead(SamplesOf(batch + 1));
  RETURN_IF_ERROR(dataset.CheckPixels(SamplesOf(batch)));
  FillInput(batch, places_[batch % kSlots].input);
  FillTargets(batch, places_[batch % kSlots]);
  return absl::OkStatus();
}

absl::Status BatchStream::status() const {
  MutexLock lock(mu_);
  return status_;
}

Batch BatchStream::GatherOnDevice(int64_t batch) const {
  const absl::Span<const int64_t> samples = SamplesOf(batch);
  const int64_t count = static_cast<int64_t>(samples.size());
  const c10::Device& device = source_.device();
  Batch gathered = EmptyBatch(count);
  FillTargets(batch, PlacesOf(gathered));
  for (at::Tensor* part : PartsOf(gathered)) *part = ToDevice(*part, device);
  at::Tensor input = source_.EmptyInputs(count, device);
  const int height = source_.dataset().height(), width = source_.dataset().width();
  const at::Tensor numbers =
      ToDevice(at::tensor(at::ArrayRef<int64_t>(samples.data(), count)), device);
  if (NeedsInterpolation(order_.augment)) {
    LoadedGpuPlugin()->augment_images(source_.resident_pixels_, height, width, numbers,
                                      ToDevice(ChangesAsBytes(ChangesOf(batch)), device),
                                      source_.scale_, source_.bias_, input);
  } else {
    LoadedGpuPlugin()->gather_images(
        source_.resident_pixels_, height, width, numbers,
        ToDevice(at::tensor(at::ArrayRef<uint8_t>(TurnsOf(batch))), device), source_.scale_,
        source_.bias_, input);
  }
  gathered.mix_share = ShareOf(batch);
  if (gathered.mix_share < 1.0) {
    input = input * gathered.mix_share + input.flip(0) * (1.0 - gathered.mix_share);
  }
  gathered.input = input;
  return gathered;
}

std::optional<Batch> BatchStream::Next() {
  if (next_ >= batches_) return std::nullopt;
  const int64_t batch = next_++;
  if (source_.resident()) return GatherOnDevice(batch);
  {
    MutexLock lock(mu_);
    in_use_ = batch;  // The batches before this one are done with.
    changed_.NotifyAll();
    while (prepared_ <= batch && status_.ok()) changed_.Wait(mu_);
    if (prepared_ <= batch) return std::nullopt;
  }
  Batch result = slots_[batch % kSlots];
  result.mix_share = ShareOf(batch);
  const int64_t count = static_cast<int64_t>(SamplesOf(batch).size());
  for (at::Tensor* part : PartsOf(result)) *part = part->narrow(0, 0, count);
  return MoveTo(source_.device(), std::move(result));
}

}  // namespace skytrain::training
