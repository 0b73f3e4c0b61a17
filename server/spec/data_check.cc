// An experiment against the data set that it names.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/spec/augment_plan.h"
#include "server/spec/check.h"
#include "server/spec/class_plan.h"
#include "server/spec/shapes.h"
#include "server/spec/split_plan.h"

namespace skytrain::spec {
namespace {

using v1::DatasetManifest;

// An allowance for LibTorch, its thread pools and the buffers of its convolutions.
constexpr int64_t kRuntimeBytes = int64_t{350} << 20;

int64_t Sum(const std::vector<int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

// "12.jpg, 13.jpg and 4 more".
std::string SomeNames(const DatasetManifest::Problem& problem) {
  const int shown = std::min(problem.names_size(), 5);
  std::vector<std::string> names;
  for (int i = 0; i < shown; ++i) names.push_back(Quotable(problem.names(i)));
  std::string text = absl::StrJoin(names, ", ");
  if (problem.count() > shown) {
    absl::StrAppend(&text, " and ", Violations::Grouped(problem.count() - shown), " more");
  }
  return text;
}

void CheckProblems(const v1::Data& data, const DatasetManifest& manifest, Violations& v) {
  for (const auto& problem : manifest.problems()) {
    const std::string count = Violations::Grouped(problem.count());
    const bool one = problem.count() == 1;
    if (problem.kind() == "corrupt" && data.corrupt() != v1::Data::POLICY_SKIP) {
      v.Add("data.corrupt",
            absl::StrCat(count, one ? " image that cannot" : " images that cannot", " be decoded (",
                         SomeNames(problem), "). Allow it with data.corrupt: skip"));
    } else if (problem.kind() == "image_without_label" &&
               data.unmatched() != v1::Data::POLICY_SKIP) {
      v.Add("data.unmatched",
            absl::StrCat(count, one ? " image without a label (" : " images without a label (",
                         SomeNames(problem), "). Allow it with data.unmatched: skip"));
    } else if (problem.kind() == "label_without_image" &&
               data.unmatched() != v1::Data::POLICY_SKIP) {
      v.Add("data.unmatched",
            absl::StrCat(count, one ? " label without an image (" : " labels without an image (",
                         SomeNames(problem), "). Allow it with data.unmatched: skip"));
    } else if (problem.kind() == "duplicate_id") {
      v.Add("data",
            absl::StrCat(count, one ? " id that occurs" : " ids that occur", " more than once (",
                         SomeNames(problem), "): which row or image is meant?"));
    } else if (problem.kind() == "empty_class" && !data.has_classes()) {
      v.Add("data", absl::StrCat("empty class: ", SomeNames(problem), " without a single sample"));
    }
  }
}

std::vector<OwnSplit> OwnSplitsOf(const DatasetManifest& manifest) {
  std::vector<OwnSplit> own;
  std::vector<int64_t> rest;
  for (const auto& c : manifest.classes()) rest.push_back(c.count());
  // Samples without classes are divided as if they were of one.
  const bool classes = !rest.empty();
  if (!classes) rest.push_back(manifest.count());
  for (const auto& split : manifest.splits()) {
    std::vector<int64_t> counts{split.count()};
    if (classes) counts.assign(split.class_counts().begin(), split.class_counts().end());
    counts.resize(rest.size());
    for (size_t c = 0; c < rest.size(); ++c) rest[c] -= counts[c];
    own.push_back({split.name(), std::move(counts)});
  }
  // Samples that belong to no split of the set's.
  if (own.empty() || Sum(rest) > 0) own.push_back({"", std::move(rest)});
  return own;
}

std::vector<std::string> ClassNames(const DatasetManifest& manifest) {
  std::vector<std::string> names;
  for (const auto& c : manifest.classes()) names.push_back(c.name());
  return names;
}

// As the run will see it.
DatasetManifest AfterClasses(const v1::Data& data, const DatasetManifest& manifest, Violations& v) {
  if (!data.has_classes()) return manifest;
  if (manifest.classes_size() == 0) {
    v.Add("data.classes", "the task asks for numbers, not for classes");
    return manifest;
  }
  return WithClasses(PlanClasses(data.classes(), ClassNames(manifest), v), manifest);
}

void CheckKind(const v1::Data& data, const TrainingPlan& plan, const DatasetManifest& manifest,
               Violations& v) {
  const bool table = manifest.format() == DatasetManifest::FORMAT_TABLE;
  if (table && plan.view.size > 0) {
    v.Add("data.image", absl::StrCat("is for images; ", Quotable(manifest.path()), " is a table"));
  } else if (!table && plan.view.size == 0) {
    v.Add("data.image", absl::StrCat("required: ", Quotable(manifest.path()),
                                     " holds images; say at least data.image.size"));
  }
  // Of other sets the probe knows the columns, and says so itself.
  if (!data.splits().group().empty() && manifest.format() == DatasetManifest::FORMAT_IMAGE_FOLDER) {
    v.Add("data.splits.group",
          absl::StrCat("there is no column \"", Quotable(data.splits().group()),
                       "\": ", Quotable(manifest.path()),
                       " holds images in folders and no columns; give images and table by "
                       "data.files"));
  }
  if (table && plan.model.family != ModelPlan::Family::kMlp) {
    v.Add("model", absl::StrCat(plan.model.Name(), " takes images; for a table use mlp"));
  }
}

int64_t MemoryBytes(const TrainingPlan& plan, const Shapes& shapes, int64_t inputs) {
  int64_t copies = 2;                           // Weights and gradients.
  if (plan.optimizer.sam_rho > 0) copies += 1;  // The weights to return to.
  if (plan.ema_decay > 0 || plan.swa) copies += 1;
  if (plan.optimizer.kind == OptimizerPlan::Kind::kMuon) {
    copies += 1;
  } else if (plan.optimizer.kind != OptimizerPlan::Kind::kSgd) {
    copies += 2;
  } else if (plan.optimizer.momentum > 0) {
    copies += 1;
  }
  // Half as much again: gradients of activations and what the convolutions need for themselves.
  const int64_t at_once = plan.micro_batch > 0 ? plan.micro_batch : plan.batch_size;
  const int64_t batch = (shapes.activations * 3 / 2 + 2 * inputs) * at_once;
  return kRuntimeBytes + 4 * (copies * shapes.parameters + batch);
}

}  // namespace

absl::StatusOr<v1::Estimate> CheckAgainstData(const v1::Experiment& experiment,
                                              const TrainingPlan& plan,
                                              const v1::DatasetManifest& found) {
  Violations of_data, v;
  CheckProblems(experiment.data(), found, of_data);
  const DatasetManifest manifest = AfterClasses(experiment.data(), found, v);
  const bool classes_wanted = plan.task.targets.values.empty();
  if (classes_wanted && manifest.classes_size() < 2) {
    of_data.Add("data", absl::StrCat("has ", manifest.classes_size(),
                                     " class; classification needs at least 2"));
  }
  CheckKind(experiment.data(), plan, manifest, v);
  CheckFlippedClasses(plan.augment, ClassNames(manifest), v);
  // Numbers of samples mean nothing yet when a class is not known.
  RETURN_IF_ERROR(v.MergedWith(of_data));
  const SplitPlan splits = PlanSplits(experiment.data().splits(), OwnSplitsOf(manifest), v);
  RETURN_IF_ERROR(v.MergedWith(of_data));

  for (int c = 0; c < manifest.classes_size(); ++c) {
    if (splits.train_counts[c] == 0) {
      of_data.Add("data", absl::StrCat("empty class: \"", Quotable(manifest.classes(c).name()),
                                       "\" has no sample in the train split"));
    }
  }
  v1::Estimate estimate;
  estimate.set_train_samples(Sum(splits.train_counts));
  estimate.set_validation_samples(Sum(splits.validation_counts));
  estimate.set_test_samples(Sum(splits.test_counts));
  if (estimate.validation_samples() == 0) {
    v.Add("data.splits.validation", "is empty; the metric that selects the best epoch needs it");
  }
  if (estimate.train_samples() < plan.batch_size) {
    v.Add(
        "train.batch_size",
        absl::StrCat("must be at most ", Violations::Grouped(estimate.train_samples()),
                     ", the size of the train split, not ", Violations::Grouped(plan.batch_size)));
  }
  RETURN_IF_ERROR(v.MergedWith(of_data));
  const int outputs = classes_wanted ? manifest.classes_size() : manifest.targets_size();
  const Shapes shapes = ModelShapes(plan.model, outputs, manifest.columns_size(), plan.view.size);
  const int64_t inputs =
      plan.view.size > 0 ? int64_t{3} * plan.view.size * plan.view.size : manifest.columns_size();
  estimate.set_parameters(shapes.parameters);
  estimate.set_flops_per_sample(shapes.flops);
  estimate.set_memory_bytes(MemoryBytes(plan, shapes, inputs));
  estimate.set_steps_per_epoch(estimate.train_samples() / plan.batch_size);
  for (const auto& c : manifest.classes()) estimate.add_classes(c.name());
  return estimate;
}

absl::Status CheckDecodedSize(const ViewPlan& view, const AugmentPlan& augment,
                              const DatasetManifest& manifest, int64_t most,
                              const std::string& field) {
  if (most == 0 || manifest.format() == DatasetManifest::FORMAT_TABLE) return absl::OkStatus();
  const int64_t side = CanvasSide(view.size, view.center_crop, CanvasMargin(augment));
  const int64_t bytes = manifest.count() * side * side * 3;
  Violations v;
  if (bytes > most) {
    v.Add(field, absl::StrCat("the ", Violations::Grouped(manifest.count()), " images of ",
                              Quotable(manifest.path()), " take ", Violations::Grouped(bytes),
                              " bytes once they are decoded to ", side, "x", side,
                              ", and the server keeps at most ", Violations::Grouped(most),
                              " (retention.cache_bytes): take fewer images or a smaller "
                              "data.image.size, or have that raised"));
  }
  return v.ToStatus();
}

absl::Status CheckUsable(const v1::Data& data, const DatasetManifest& manifest) {
  Violations violations;
  CheckProblems(data, manifest, violations);
  if (manifest.count() == 0) violations.Add("data", "has no sample that could be used");
  return violations.ToStatus("DATA_INVALID");
}

std::string DataWarning(const v1::Data& data, const v1::DatasetManifest& found) {
  Violations unused;
  const DatasetManifest manifest = AfterClasses(data, found, unused);
  if (manifest.classes_size() < 2) return "";
  const auto smallest =
      std::min_element(manifest.classes().begin(), manifest.classes().end(),
                       [](const auto& a, const auto& b) { return a.count() < b.count(); });
  // Less than a third of an even share: accuracy then hides what happens to that class.
  if (smallest->count() * 3 * manifest.classes_size() >= manifest.count()) return "";
  return absl::StrCat(Violations::Grouped(smallest->count()), " ", Quotable(smallest->name()),
                      " of ", Violations::Grouped(manifest.count()), ": consider class_weights");
}

}  // namespace skytrain::spec
