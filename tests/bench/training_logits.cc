// Writes what a published model answers to real samples, for check_safetensors.py.
//   training_logits MODEL_DIR DATA OUT.safetensors
// DATA: a data set as in `data.dataset`; its first 64 samples are used.
#include <cstdio>
#include <memory>
#include <numeric>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "common/status_macros.h"
#include "server/data/dataset.h"
#include "server/spec/check.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/checkpoint/tensor_io.h"
#include "server/training/input/batch_stream.h"
#include "server/training/models/factory.h"

namespace skytrain::training {
namespace {

constexpr int64_t kSamples = 64;

absl::Status Run(const std::string& model_dir, const std::string& data, const std::string& out) {
  FileSystem& fs = FileSystem::Posix();
  ASSIGN_OR_RETURN(const LoadedModel loaded, ReadModelFolder(fs, model_dir));
  ASSIGN_OR_RETURN(const spec::TrainingPlan plan, spec::MakePlan(loaded.card.experiment));
  data::OpenOptions options;
  options.data.set_dataset(data);
  *options.data.mutable_image() = loaded.card.experiment.data().image();
  options.evaluation = true;
  options.classes = loaded.card.classes;
  options.targets = plan.task.targets;
  options.cache_dir = out + ".cache";
  ASSIGN_OR_RETURN(const std::unique_ptr<data::Dataset> set, data::OpenDataset(options));
  const c10::Device device(c10::kCPU);
  const BatchSource source(*set, plan.view.size, loaded.card.normalisation, device);
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Model> model,
      MakeModel(plan.model, static_cast<int64_t>(loaded.card.classes.size()), source.inputs(), 0));
  model->Prepare(device);
  model->SetTraining(false);
  RETURN_IF_ERROR(CopyTensors(loaded.state, model->State()));
  BatchOrder order;
  order.samples.resize(std::min(kSamples, set->count()));
  std::iota(order.samples.begin(), order.samples.end(), 0);
  order.batch_size = kSamples;
  BatchStream stream(source, std::move(order));
  const at::NoGradGuard no_grad;
  const std::optional<Batch> batch = stream.Next();
  return SaveTensors(fs, out, {{"inputs", batch->input}, {"logits", model->Forward(batch->input)}},
                     {})
      .status();
}

}  // namespace
}  // namespace skytrain::training

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: training_logits MODEL_DIR DATA OUT.safetensors\n");
    return 2;
  }
  const absl::Status status = skytrain::training::Run(argv[1], argv[2], argv[3]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
