#include "server/training/checkpoint/import.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/errors.h"
#include "common/file/posix_error.h"
#include "common/status_macros.h"
#include "server/spec/import_check.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/checkpoint/weight_names.h"
#include "server/training/models/factory.h"
#include "server/training/precision.h"
#include "server/training/tasks/task.h"

namespace skytrain::training {
namespace {

constexpr int64_t kMostOutputs = 100'000;

absl::Status Invalid(std::string field, std::string why) {
  return BadRequestError("INVALID_MODEL", {{std::move(field), std::move(why)}});
}

// A file that does not change: the store of uploads only ever adds and removes whole ones.
class MappedFile {
 public:
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return PosixError(errno, "open", path);
    struct stat info;
    auto file = std::make_unique<MappedFile>();
    const bool known = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (known && info.st_size > 0) {
      file->size_ = static_cast<size_t>(info.st_size);
      file->map_ = mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    const int error = errno;
    close(fd);
    if (!known) return absl::InternalError(absl::StrCat(path, " is no file"));
    if (file->map_ == MAP_FAILED) return PosixError(error, "map", path);
    return file;
  }
  ~MappedFile() {
    if (map_ != nullptr && map_ != MAP_FAILED) munmap(map_, size_);
  }
  MappedFile() = default;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  absl::string_view content() const { return {static_cast<const char*>(map_), size_}; }

 private:
  void* map_ = nullptr;
  size_t size_ = 0;
};

absl::StatusOr<Safetensors> Parse(absl::string_view content) {
  if (absl::StartsWith(content, "PK\x03\x04") || absl::StartsWith(content, "\x80\x02")) {
    return Invalid("blob",
                   "is a file of PyTorch or NumPy, not safetensors: convert it, as `skytrain "
                   "models import` says how");
  }
  absl::StatusOr<Safetensors> file = ParseSafetensors(content);
  if (!file.ok()) return Invalid("blob", absl::StrCat("is ", file.status().message()));
  return file;
}

std::vector<WantedTensor> WantedBy(const Model& model) {
  const std::string head = model.Head();
  std::vector<WantedTensor> wanted;
  for (const NamedTensor& named : model.State()) {
    WantedTensor& tensor = wanted.emplace_back();
    tensor.name = named.name;
    tensor.shape = named.tensor.sizes().vec();
    tensor.any_rows = named.name == head + ".weight" || named.name == head + ".bias";
    tensor.optional = !named.tensor.is_floating_point();
  }
  return wanted;
}

// As float32, or int64 of a counter, in the shape that the network has it in.
absl::StatusOr<at::Tensor> Converted(const TensorView& from, const at::Tensor& like, int64_t rows) {
  const auto wrong = [&](absl::string_view what) {
    return Invalid("blob", absl::StrCat("tensor \"", absl::CHexEscape(from.name), "\" ", what));
  };
  at::ScalarType type = at::kFloat;
  if (like.is_floating_point()) {
    if (from.dtype == "F16") {
      type = at::kHalf;
    } else if (from.dtype == "BF16") {
      type = at::kBFloat16;
    } else if (from.dtype != "F32") {
      return wrong(absl::StrCat("is ", from.dtype, ": F32, F16 or BF16 is needed"));
    }
  } else if (from.dtype == "I64") {
    type = at::kLong;
  } else {
    return wrong(absl::StrCat("is ", from.dtype, ": I64 is needed"));
  }
  std::vector<int64_t> shape = like.sizes().vec();
  if (rows > 0) shape[0] = rows;
  at::Tensor tensor = at::empty(shape, type);
  if (static_cast<size_t>(tensor.nbytes()) != from.data.size()) return wrong("has another size");
  // Not from_blob: nothing aligns the bytes inside the file.
  std::memcpy(tensor.mutable_data_ptr(), from.data.data(), from.data.size());
  if (!like.is_floating_point()) return tensor;
  tensor = tensor.to(at::kFloat);
  if (!at::isfinite(tensor).all().item<bool>()) {
    return wrong("holds numbers that are not finite (NaN or infinite): these weights are broken");
  }
  if (absl::EndsWith(from.name, "running_var") && tensor.lt(0).any().item<bool>()) {
    return wrong("holds negative variances: these weights are broken");
  }
  return tensor;
}

// The network's state, in its order, and how many outputs its last layer has.
struct Weights {
  std::vector<NamedTensor> state;
  int64_t outputs = 0;
  int64_t parameters = 0;
};

absl::StatusOr<Weights> ReadWeights(const Safetensors& file, const spec::ModelPlan& plan,
                                    const Model& model) {
  const std::vector<WantedTensor> wanted = WantedBy(model);
  std::vector<TensorShape> found;
  for (const TensorView& tensor : file.tensors) found.push_back({tensor.name, tensor.shape});
  ASSIGN_OR_RETURN(const std::vector<int> match, MatchTensors(plan, wanted, found));
  Weights weights;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].any_rows) continue;
    const int64_t rows = found[match[i]].shape[0];
    if (weights.outputs > 0 && weights.outputs != rows) {
      return Invalid("blob", absl::StrCat("its last layer has ", weights.outputs, " weights and ",
                                          rows, " biases"));
    }
    weights.outputs = rows;
  }
  const std::vector<NamedTensor> state = model.State();
  for (size_t i = 0; i < wanted.size(); ++i) {
    NamedTensor& named = weights.state.emplace_back();
    named.name = wanted[i].name;
    if (match[i] < 0) {
      named.tensor = at::zeros(wanted[i].shape, at::kLong);
      continue;
    }
    ASSIGN_OR_RETURN(named.tensor, Converted(file.tensors[match[i]], state[i].tensor,
                                             wanted[i].any_rows ? weights.outputs : 0));
    if (i < model.parameters().size()) weights.parameters += named.tensor.numel();
  }
  return weights;
}

// Names for as many outputs as the weights have.
absl::Status NameOutputs(const spec::ImportPlan& plan, int64_t outputs, ModelCard& card) {
  std::vector<std::string> names = plan.outputs;
  if (outputs > kMostOutputs) {
    return Invalid("blob", absl::StrCat("its last layer has ", outputs, " outputs, at most ",
                                        kMostOutputs, " are taken"));
  }
  if (names.empty()) {
    for (int64_t k = 0; k < outputs; ++k) names.push_back(absl::StrCat(k));
  }
  if (static_cast<int64_t>(names.size()) != outputs) {
    return Invalid("outputs", absl::StrCat("are ", names.size(), ", but the last layer of these ",
                                           "weights has ", outputs));
  }
  if (plan.task.kind == spec::TaskPlan::Kind::kClassification) {
    if (outputs < 2) return Invalid("blob", "its last layer has one output: no classes");
    card.classes = std::move(names);
    return absl::OkStatus();
  }
  card.targets = std::move(names);
  if (plan.task.kind == spec::TaskPlan::Kind::kRegression) {
    card.target_mean.assign(outputs, 0.0);  // Outputs are in the targets' own units.
    card.target_deviation.assign(outputs, 1.0);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Model> Import(FileSystem& fs, const v1::ImportModelRequest& request,
                                 const std::string& weights_path, const std::string& folder) {
  ASSIGN_OR_RETURN(const spec::ImportPlan plan, spec::PlanImport(request));
  ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> bytes, MappedFile::Open(weights_path));
  ASSIGN_OR_RETURN(const Safetensors file, Parse(bytes->content()));
  // For names and shapes alone; one output stands for any number of them.
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Model> model,
      MakeModel(plan.model, /*classes=*/1, int64_t{3} * plan.size * plan.size, /*seed=*/0));
  ASSIGN_OR_RETURN(const Weights weights, ReadWeights(file, plan.model, *model));

  ModelCard card;
  RETURN_IF_ERROR(NameOutputs(plan, weights.outputs, card));
  card.family = plan.model.Name();
  card.experiment = plan.experiment;
  card.normalisation = FixedNormalisation(plan.imagenet);
  card.parameters = weights.parameters;
  card.source = request.source();
  card.build = SKYTRAIN_BUILD;
  card.torch_version = SKYTRAIN_TORCH_VERSION;
  card.instruction_set = InstructionSet();
  card.precision = "fp32";
  v1::Model answer;
  answer.set_family(card.family);
  answer.mutable_classes()->Assign(card.classes.begin(), card.classes.end());
  *answer.mutable_task() = plan.experiment.task();
  answer.set_parameters(card.parameters);
  answer.set_source(card.source);
  if (!request.validate_only()) {
    RETURN_IF_ERROR(WriteModelFolder(fs, folder, std::move(card), weights.state));
  }
  return answer;
}

}  // namespace

absl::StatusOr<v1::Model> ImportModel(FileSystem& fs, const v1::ImportModelRequest& request,
                                      const std::string& weights_path, const std::string& folder) {
  at::set_num_threads(1);
  absl::Status status;
  try {
    absl::StatusOr<v1::Model> model = Import(fs, request, weights_path, folder);
    if (model.ok()) return model;
    status = model.status();
  } catch (const std::bad_alloc&) {
    status = absl::InternalError("out of memory");
  } catch (const c10::Error& error) {
    status = absl::InternalError(error.what_without_backtrace());
  } catch (const std::exception& error) {
    status = absl::InternalError(error.what());
  }
  if (absl::IsResourceExhausted(status) && ReasonOf(status).empty()) {
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, "STORE_FULL", status.message());
  }
  return status;
}

}  // namespace skytrain::training
