// Speed of the training loop: input, forward, loss, backward and optimizer, as a run does them.
// Runs a round of steps for each line on stdin and answers with its images per second, so that
// training_vs_pytorch.py can alternate it with PyTorch.
//   training_bench [--steps N] [--batch N] [--size N] [--threads N] [--precision fp32|bf16]
//                  [--device cpu|cuda] [--graph yes|no]
// On a GPU the pixels are in its memory, as a run keeps them, losses are looked at once a round,
// and the step is a CUDA graph, as in a run, unless --graph says no. The first round records it.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "absl/strings/numbers.h"
#include "server/data/dataset.h"
#include "server/data/random.h"
#include "server/training/allocator.h"
#include "server/training/gpu/gpu_plugin.h"
#include "server/training/input/batch_stream.h"
#include "server/training/loop/training_step.h"
#include "server/training/models/factory.h"
#include "server/training/optim/optimizer.h"
#include "server/training/tasks/classification.h"

namespace skytrain::training {
namespace {

struct Flags {
  int steps = 10, batch = 128, size = 64, threads = 2;
  std::string device = "cpu", graph = "yes";
  spec::Precision precision = spec::Precision::kFp32;
};

bool Parse(int argc, char** argv, Flags& flags) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--precision") {
      const std::string value = argv[i + 1];
      if (value != "fp32" && value != "bf16") return false;
      flags.precision = value == "bf16" ? spec::Precision::kBf16 : spec::Precision::kFp32;
      continue;
    }
    if (name == "--device") {
      flags.device = argv[i + 1];
      if (flags.device != "cpu" && flags.device != "cuda") return false;
      continue;
    }
    if (name == "--graph") {
      flags.graph = argv[i + 1];
      if (flags.graph != "yes" && flags.graph != "no") return false;
      continue;
    }
    int* value = name == "--steps"     ? &flags.steps
                 : name == "--batch"   ? &flags.batch
                 : name == "--size"    ? &flags.size
                 : name == "--threads" ? &flags.threads
                                       : nullptr;
    if (value == nullptr || !absl::SimpleAtoi(argv[i + 1], value) || *value < 1) return false;
  }
  return argc % 2 == 1;
}

// Speed does not depend on what the pixels show.
class NoiseImages final : public data::Dataset {
 public:
  NoiseImages(int count, int size) {
    height_ = width_ = size;
    bytes_.resize(static_cast<size_t>(count) * size * size * 3);
    for (size_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<uint8_t>(i * 2654435761U >> 13);
    pixels_ = bytes_;
    classes_ = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < count; ++i) {
      labels_.push_back(i % 5);
      train_.push_back(i);
    }
  }

 private:
  std::vector<uint8_t> bytes_;
};

int Main(int argc, char** argv) {
  Flags flags;
  if (!Parse(argc, argv, flags)) {
    std::fprintf(stderr,
                 "usage: training_bench [--steps N] [--batch N] [--size N] [--threads N] "
                 "[--precision fp32|bf16] [--device cpu|cuda] [--graph yes|no]\n");
    return 2;
  }
  const c10::Device device = flags.device == "cpu" ? c10::kCPU : c10::Device(c10::kCUDA, 0);
  if (device.is_cpu()) {
    KeepFreedMemory();
  } else if (const absl::Status loaded = LoadGpuPlugin(); !loaded.ok()) {
    std::fprintf(stderr, "training_bench: %s\n", std::string(loaded.message()).c_str());
    return 3;
  }
  at::set_num_threads(flags.threads);
  at::globalContext().setBenchmarkCuDNN(true);
  const NoiseImages images(flags.batch * flags.steps, flags.size);
  const BatchSource source(images, flags.size, *MakeNormalisation({.size = flags.size}, images),
                           device);
  auto model = MakeModel({}, 5, source.inputs(), 1);
  if (!model.ok()) return 1;
  (*model)->Prepare(device, flags.precision);
  spec::TrainingPlan plan;
  plan.batch_size = flags.batch;
  const ClassificationTask task(images.classes(), {}, device);
  Optimizer optimizer(plan.optimizer, **model);
  std::unique_ptr<StepGraph> graph;
  if (device.is_cuda() && flags.graph == "yes") graph = LoadedGpuPlugin()->make_step_graph(0);
  TrainingStep step(plan, **model, task, optimizer, std::move(graph));
  int64_t steps = 0;
  std::string line;
  for (uint64_t epoch = 1; std::getline(std::cin, line); ++epoch) {
    const auto start = std::chrono::steady_clock::now();
    BatchOrder order;
    order.samples = data::EpochOrder(1, epoch, images.count());
    order.batch_size = flags.batch;
    order.augment = {true, true};
    order.epoch = epoch;
    BatchStream stream(source, std::move(order));
    at::Tensor losses = at::zeros({}, at::TensorOptions(device));
    while (const std::optional<Batch> batch = stream.Next()) {
      step.Run(*batch, steps++, 1e-3, [&](const TrainingStep::Found& found) {
        losses += found.loss;
        if (device.is_cpu()) (void)found.loss.item<double>();
        return true;
      });
    }
    (void)losses.item<double>();  // Waits for the device.
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout << static_cast<double>(images.count()) / seconds.count() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace skytrain::training

int main(int argc, char** argv) { return skytrain::training::Main(argc, argv); }
