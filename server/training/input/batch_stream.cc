#include "server/training/input/batch_stream.h"

#include <algorithm>
#include <utility>

#include "ATen/ATen.h"
#include "server/training/gpu/gpu_plugin.h"

namespace skytrain::training {

BatchSource::BatchSource(const data::Dataset& dataset, int size, Normalisation normalisation,
                         const c10::Device& device)
    : dataset_(dataset), size_(size), normalisation_(std::move(normalisation)), device_(device) {
  if (size_ == 0) return;
  pixel_scale_ = MakePixelScale(normalisation_);
  const GpuPlugin* gpu = LoadedGpuPlugin();
  if (!device_.is_cuda() || gpu == nullptr) return;
  const int64_t bytes = static_cast<int64_t>(dataset_.pixels().size());
  if (bytes > gpu->free_memory(device_.index()) / 2) return;
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

void BatchSource::Fill(absl::Span<const int64_t> samples, absl::Span<const Turn> turns,
                       float* out) const {
  if (size_ == 0) {
    GatherRows(dataset_.features(), dataset_.columns(), samples, normalisation_, out);
  } else {
    GatherImages({dataset_.pixels().data(), dataset_.height(), dataset_.width(), size_}, samples,
                 turns, pixel_scale_, out);
  }
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
    slots_[i] = {source_.EmptyInputs(most, c10::Device(c10::kCPU)), at::empty({most}, at::kLong)};
    inputs_[i] = slots_[i].input.mutable_data_ptr<float>();
    labels_[i] = slots_[i].labels.mutable_data_ptr<int64_t>();
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

std::vector<Turn> BatchStream::TurnsOf(int64_t batch) const {
  const int64_t first = batch * order_.batch_size;
  std::vector<Turn> turns(SamplesOf(batch).size());
  for (size_t i = 0; i < turns.size(); ++i) {
    turns[i] = DrawTurn(order_.augment, order_.seed, order_.epoch, first + i);
  }
  return turns;
}

void BatchStream::FillSlot(int64_t batch, float* input, int64_t* labels) const {
  const absl::Span<const int64_t> samples = SamplesOf(batch);
  source_.Fill(samples, TurnsOf(batch), input);
  for (size_t i = 0; i < samples.size(); ++i) labels[i] = source_.dataset().labels()[samples[i]];
}

void BatchStream::Prepare() {
  for (int64_t batch = order_.first_batch; batch < batches_; ++batch) {
    {
      MutexLock lock(mu_);
      while (!done_ && batch >= in_use_ + kSlots) changed_.Wait(mu_);
      if (done_) return;
    }
    FillSlot(batch, inputs_[batch % kSlots], labels_[batch % kSlots]);
    MutexLock lock(mu_);
    prepared_ = batch + 1;
    changed_.NotifyAll();
  }
}

Batch BatchStream::GatherOnDevice(int64_t batch) const {
  const absl::Span<const int64_t> samples = SamplesOf(batch);
  const int64_t count = static_cast<int64_t>(samples.size());
  const std::vector<Turn> turns = TurnsOf(batch);
  std::vector<int64_t> labels(count);
  for (int64_t i = 0; i < count; ++i) labels[i] = source_.dataset().labels()[samples[i]];
  const c10::Device& device = source_.device();
  at::Tensor input = source_.EmptyInputs(count, device);
  LoadedGpuPlugin()->gather_images(
      source_.resident_pixels_, source_.dataset().height(), source_.dataset().width(),
      at::tensor(at::ArrayRef<int64_t>(samples.data(), count)).to(device),
      at::tensor(at::ArrayRef<uint8_t>(turns)).to(device), source_.scale_, source_.bias_, input);
  return {input, at::tensor(at::ArrayRef<int64_t>(labels)).to(device)};
}

std::optional<Batch> BatchStream::Next() {
  if (next_ >= batches_) return std::nullopt;
  const int64_t batch = next_++;
  if (source_.resident()) return GatherOnDevice(batch);
  {
    MutexLock lock(mu_);
    in_use_ = batch;  // The batches before this one are done with.
    changed_.NotifyAll();
    while (prepared_ <= batch) changed_.Wait(mu_);
  }
  const Slot& slot = slots_[batch % kSlots];
  const int64_t count = static_cast<int64_t>(SamplesOf(batch).size());
  Batch result{slot.input.narrow(0, 0, count), slot.labels.narrow(0, 0, count)};
  if (source_.device().is_cuda()) {
    result = {result.input.to(source_.device()), result.labels.to(source_.device())};
  }
  return result;
}

}  // namespace skytrain::training
