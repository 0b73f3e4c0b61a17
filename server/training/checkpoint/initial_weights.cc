#include "server/training/checkpoint/initial_weights.h"

#include <algorithm>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::training {
namespace {

absl::Status DoesNotFit(const spec::InitPlan& init, absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "INVALID_EXPERIMENT",
                         absl::StrCat("training cannot start from ", init.model, ": ", why));
}

// The name of the field of v1.Task that is set.
std::string TaskOf(const ModelCard& card) {
  const v1::Task& task = card.experiment.task();
  const auto* kind = task.GetReflection()->GetOneofFieldDescriptor(
      task, task.GetDescriptor()->FindOneofByName("kind"));
  return kind == nullptr ? "" : std::string(kind->name());
}

std::string ShapeOf(const at::Tensor& tensor) {
  return absl::StrCat("[", absl::StrJoin(tensor.sizes(), ", "), "]");
}

absl::Status CheckInputs(const spec::InitPlan& init, const ModelCard& card, const InitialUse& use) {
  if (card.columns.empty() != use.columns.empty()) {
    return DoesNotFit(init, card.columns.empty() ? "it takes images, the data set is a table"
                                                 : "it takes a table, the data set has images");
  }
  const size_t count = std::max(card.columns.size(), use.columns.size());
  for (size_t i = 0; i < count; ++i) {
    const auto name = [i](const std::vector<std::string>& columns) {
      return i < columns.size() ? absl::StrCat("\"", columns[i], "\"") : std::string("none");
    };
    if (name(card.columns) != name(use.columns)) {
      return DoesNotFit(init, absl::StrCat("its input ", i + 1, " is column ", name(card.columns),
                                           ", the data set's is ", name(use.columns)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status StartFrom(const spec::InitPlan& init, const LoadedModel& from, const InitialUse& use,
                       Model& model) {
  RETURN_IF_ERROR(CheckInputs(init, from.card, use));
  const std::string task = TaskOf(from.card);
  const bool same_use =
      task == use.task && from.card.classes == use.classes && from.card.targets == use.targets;
  if (init.head == spec::InitPlan::Head::kKeep && !same_use) {
    return DoesNotFit(init, absl::StrCat("its head cannot be kept, it is for ", task, " of ",
                                         absl::StrJoin(from.card.classes, ", "),
                                         absl::StrJoin(from.card.targets, ", ")));
  }
  const bool keep = same_use && init.head != spec::InitPlan::Head::kNew;
  const std::string head = model.Head();

  const at::NoGradGuard no_grad;
  absl::flat_hash_map<std::string, at::Tensor> theirs;
  for (const NamedTensor& named : from.state) theirs[named.name] = named.tensor;
  for (const NamedTensor& named : model.State()) {
    const auto found = theirs.find(named.name);
    if (found == theirs.end()) {
      return DoesNotFit(init, absl::StrCat("it has no tensor \"", named.name, "\""));
    }
    const at::Tensor source = found->second;
    theirs.erase(found);
    if (!keep && (named.name == head + ".weight" || named.name == head + ".bias")) continue;
    if (source.sizes() != named.tensor.sizes()) {
      return DoesNotFit(init, absl::StrCat("its tensor \"", named.name, "\" is ", ShapeOf(source),
                                           ", this network's is ", ShapeOf(named.tensor)));
    }
    named.tensor.copy_(source);
  }
  if (!theirs.empty()) {
    return DoesNotFit(init, absl::StrCat("its tensor \"", theirs.begin()->first,
                                         "\" belongs to no layer of this network"));
  }
  for (const int stage : init.freeze) model.Freeze(stage);
  model.SetLayerDecay(init.layer_decay);
  return absl::OkStatus();
}

}  // namespace skytrain::training
