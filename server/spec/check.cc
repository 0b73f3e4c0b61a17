#include "server/spec/check.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "common/ids.h"
#include "server/spec/augment_plan.h"
#include "server/spec/evaluation_check.h"
#include "server/spec/init_check.h"
#include "server/spec/model_check.h"
#include "server/spec/optimizer_plan.h"
#include "server/spec/output_plan.h"
#include "server/spec/split_plan.h"
#include "server/spec/stretch_check.h"
#include "server/spec/task_plan.h"
#include "server/spec/train_plan.h"
#include "server/spec/violations.h"

namespace skytrain::spec {
namespace {

constexpr int kMistakesShown = 48;
constexpr int kMaxNameLength = 40;
constexpr size_t kMaxLabels = 64, kMaxLabelLength = 63;

void CheckName(const std::string& name, Violations& v) {
  if (name.empty()) return;
  bool good = name.size() <= kMaxNameLength && name.front() != '-' && name.back() != '-';
  for (const char c : name) good &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  if (!good) {
    v.Add("name", absl::StrCat("must be 1 to ", kMaxNameLength,
                               " characters of a-z, 0-9 and '-', with no '-' at either end, not \"",
                               Quotable(name), "\""));
  }
}

void CheckPolicy(const char* field, v1::Data::Policy policy, Violations& v) {
  if (!v1::Data::Policy_IsValid(policy)) v.Add(field, "must be refuse or skip");
}

void CheckSource(const v1::Data& data, Violations& v) {
  switch (data.source_case()) {
    case v1::Data::kDataset:
      if (data.dataset().empty()) {
        v.Add("data.dataset",
              "must be a path on the server: a folder or archive of images, or a "
              "CSV table");
      }
      break;
    case v1::Data::kFiles: {
      const v1::Files& files = data.files();
      if (files.images().empty()) v.Add("data.files.images", "required: folders or archives");
      for (int i = 0; i < files.images_size(); ++i) {
        if (files.images(i).empty()) v.Add(absl::StrCat("data.files.images[", i, "]"), "is empty");
      }
      if (files.table().empty()) v.Add("data.files.table", "required: a CSV with a header line");
      if (files.id().empty()) v.Add("data.files.id", "required: the table's column with the ids");
      for (const std::string& column : files.file()) {
        if (column.empty()) v.Add("data.files.file", "holds an empty column name");
      }
      if (!files.split().empty() && files.split() == files.id()) {
        v.Add("data.files.split", "must be another column than data.files.id");
      }
      if (!files.weight().empty() &&
          (files.weight() == files.id() || files.weight() == files.split())) {
        v.Add("data.files.weight", "must be another column than data.files.id and split");
      }
      break;
    }
    case v1::Data::SOURCE_NOT_SET:
      v.Add("data", "needs one of dataset, files");
  }
  CheckPolicy("data.unmatched", data.unmatched(), v);
  CheckPolicy("data.corrupt", data.corrupt(), v);
}

void CheckLabelNoise(const v1::LabelNoise& noise, bool asked_for, Violations& v) {
  if (!asked_for) return;
  if (!(noise.fraction() > 0 && noise.fraction() <= 1)) {
    v.Add("data.label_noise.fraction",
          absl::StrCat("required: greater than 0 and at most 1, not ", noise.fraction()));
  }
  if (!v1::LabelNoise::Kind_IsValid(noise.kind())) {
    v.Add("data.label_noise.kind", "must be uniform_wrong or uniform");
  }
}

void PlanView(const v1::Data& data, bool has_init, ViewPlan& view, Violations& v) {
  const v1::ImageView& image = data.image();
  if (image.center_crop() != 0) view.center_crop = image.center_crop();
  if (!(view.center_crop > 0 && view.center_crop <= 1)) {
    v.Add("data.image.center_crop",
          absl::StrCat("must be greater than 0 and at most 1, not ", image.center_crop()));
  }
  view.size = image.size();
  CheckStretch(image.stretch(), v);
  if (data.has_image() && (view.size < 8 || view.size > 1024)) {
    v.Add("data.image.size", view.size == 0
                                 ? std::string("required: the side of the model's input, 8 to 1024")
                                 : absl::StrCat("must be between 8 and 1024, not ", view.size));
  }
  switch (image.normalize().kind_case()) {
    case v1::Normalize::kImagenet:
      view.normalize = ViewPlan::Normalize::kImagenet;
      break;
    case v1::Normalize::kNone:
      view.normalize = ViewPlan::Normalize::kNone;
      break;
    case v1::Normalize::kDataset:
      break;
    case v1::Normalize::KIND_NOT_SET:
      if (has_init) view.normalize = ViewPlan::Normalize::kModel;
      break;
  }
}

void CheckResources(const v1::Resources& resources, Violations& v) {
  if (resources.gpus() != 0 && resources.cpus() != 0) {
    v.Add("resources", "set gpus or cpus, not both: a GPU job brings the cores it needs");
  }
  v.Range("resources.gpus", resources.gpus(), 0, 1024);
  v.Range("resources.cpus", resources.cpus(), 0, 4096);
}

double Seconds(const google::protobuf::Duration& d) { return d.seconds() + d.nanos() * 1e-9; }

void CheckLimits(const v1::Limits& limits, Violations& v) {
  if (limits.has_time() && Seconds(limits.time()) < 1) {
    v.Add("limits.time", "must be at least 1s");
  }
  if (limits.has_stall() && Seconds(limits.stall()) < 1) {
    v.Add("limits.stall", "must be at least 1s");
  }
  if (limits.has_grace() && (Seconds(limits.grace()) < 0 || Seconds(limits.grace()) > 86400)) {
    v.Add("limits.grace", "must be between 0s and 24h");
  }
}

void CheckLabels(const google::protobuf::Map<std::string, std::string>& labels, Violations& v) {
  if (labels.size() > kMaxLabels) {
    v.Add("labels", absl::StrCat("at most ", kMaxLabels, ", not ", labels.size()));
  }
  for (const auto& [key, value] : labels) {
    if (key.empty() || key.size() > kMaxLabelLength || value.size() > kMaxLabelLength) {
      v.Add(
          absl::StrCat("labels.", Quotable(key)),
          absl::StrCat("key (not empty) and value have at most ", kMaxLabelLength, " characters"));
    }
  }
}

}  // namespace

absl::StatusOr<TrainingPlan> MakePlan(const v1::Experiment& experiment) {
  Violations v;
  TrainingPlan plan;
  CheckName(experiment.name(), v);
  plan.name = experiment.name().empty() ? "experiment" : experiment.name();
  const v1::Data& data = experiment.data();
  CheckSource(data, v);
  PlanView(data, experiment.has_init(), plan.view, v);
  plan.augment = PlanAugment(data, v);
  CheckLabelNoise(data.label_noise(), data.has_label_noise(), v);
  CheckSplits(data.splits(), v);
  for (const auto& [field, unused] : SplitTables(data.splits())) {
    if (!data.has_files()) v.Add(field, "needs data.files, whose `id` says which column holds ids");
  }
  plan.task = PlanTask(experiment.task(), v);
  if (!experiment.task().has_classification()) {
    if (!plan.augment.flip_swaps_classes.empty()) {
      v.Add("data.augment.flip_swaps_classes", "is for classification alone");
    }
    if (data.has_label_noise()) v.Add("data.label_noise", "is for classification alone");
  }
  plan.model = PlanModel(experiment.model(), plan.view.size, data.has_image(), v);
  if (experiment.has_init()) plan.init = PlanInit(experiment.init(), plan.model, v);
  PlanTrain(experiment.train(), plan, v);
  plan.output = PlanOutput(experiment.output(), {OutputPlan::Format::kCsv, kMistakesShown},
                           /*images=*/plan.view.size > 0, v);
  plan.optimizer = PlanOptimizer(experiment.optimizer(), plan.model, v);
  plan.schedule = PlanSchedule(experiment.schedule(), plan, v);
  CheckResources(experiment.resources(), v);
  plan.gpus = experiment.resources().gpus();
  plan.cpus = plan.gpus > 0 ? 0 : experiment.resources().cpus();
  if (plan.gpus == 0 && plan.cpus == 0) plan.cpus = 2;
  CheckLimits(experiment.limits(), v);
  v.Range("queue.priority", experiment.queue().priority(), -100, 100);
  if (experiment.retry().has_max_attempts()) {
    v.Range("retry.max_attempts", experiment.retry().max_attempts(), 1, 20);
  }
  CheckLabels(experiment.labels(), v);
  RETURN_IF_ERROR(v.ToStatus());
  return plan;
}

absl::Status CheckEvaluation(const v1::Evaluation& evaluation) {
  Violations v;
  if (evaluation.model().empty()) {
    v.Add("model", "required: models/{model}/versions/{version}, or NAME@VERSION");
  } else if (const auto name = ParseModelName(evaluation.model()); !name.ok()) {
    v.Add("model", std::string(name.status().message()));
  }
  CheckSource(evaluation.data(), v);
  if (evaluation.data().has_image()) {
    v.Add("data.image", "must be empty: the model's card says how it sees images");
  }
  if (evaluation.data().has_augment()) v.Add("data.augment", "must be empty in an evaluation");
  if (evaluation.data().has_label_noise()) {
    v.Add("data.label_noise", "must be empty in an evaluation");
  }
  if (evaluation.data().has_splits()) {
    v.Add("data.splits", "must be empty in an evaluation: name one split in `split`");
  }
  CheckResources(evaluation.resources(), v);
  CheckPrediction(evaluation, v);
  return v.ToStatus();
}

}  // namespace skytrain::spec
