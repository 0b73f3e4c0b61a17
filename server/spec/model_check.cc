#include "server/spec/model_check.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace skytrain::spec {
namespace {

// Attention grows with the fourth power of it.
constexpr int kMostPatches = 64;
constexpr int kLeastConvnextSize = 32;

void Probability(const std::string& field, double value, double& out, Violations& v) {
  out = value;
  if (!(value >= 0 && value < 1)) {
    v.Add(field, absl::StrCat("must be at least 0 and less than 1, not ", value));
  }
}

void PlanResnet(const v1::Resnet& spec, ModelPlan& model, Violations& v) {
  if (spec.depth() != 0) model.depth = spec.depth();
  if (model.depth != 18 && model.depth != 34 && model.depth != 50 && model.depth != 101) {
    v.Add("model.resnet.depth", absl::StrCat("must be 18, 34, 50 or 101, not ", model.depth));
  }
  switch (spec.stem()) {
    case v1::Resnet::STEM_UNSPECIFIED:
    case v1::Resnet::STEM_IMAGENET:
      break;
    case v1::Resnet::STEM_CIFAR:
      model.stem = ModelPlan::Stem::kCifar;
      break;
    default:
      v.Add("model.resnet.stem", "must be imagenet or cifar");
  }
  if (spec.width() != 0) model.channels = spec.width();
  v.Range("model.resnet.width", model.channels, 1, 256);
  Probability("model.resnet.dropout", spec.dropout(), model.dropout, v);
}

void PlanMlp(const v1::Mlp& spec, ModelPlan& model, Violations& v) {
  if (spec.hidden_size() > 64) v.Add("model.mlp.hidden", "at most 64 hidden layers");
  for (int i = 0; i < spec.hidden_size() && i < 64; ++i) {
    v.Range(absl::StrCat("model.mlp.hidden[", i, "]"), spec.hidden(i), 1, 65536);
    model.hidden.push_back(spec.hidden(i));
  }
  switch (spec.activation()) {
    case v1::Mlp::ACTIVATION_TANH:
      model.activation = ModelPlan::Activation::kTanh;
      break;
    case v1::Mlp::ACTIVATION_GELU:
      model.activation = ModelPlan::Activation::kGelu;
      break;
    case v1::Mlp::ACTIVATION_UNSPECIFIED:
    case v1::Mlp::ACTIVATION_RELU:
      break;
    default:
      v.Add("model.mlp.activation", "must be relu, tanh or gelu");
  }
}

void PlanWideResnet(const v1::WideResnet& spec, ModelPlan& model, Violations& v) {
  model.depth = spec.depth() != 0 ? spec.depth() : 28;
  if (model.depth < 10 || model.depth > 64 || (model.depth - 4) % 6 != 0) {
    v.Add("model.wide_resnet.depth",
          absl::StrCat("must be 6n + 4, from 10 to 64 (10, 16, 22, 28, …), not ", model.depth));
  }
  if (spec.widen() != 0) model.widen = spec.widen();
  v.Range("model.wide_resnet.widen", model.widen, 1, 20);
  Probability("model.wide_resnet.dropout", spec.dropout(), model.dropout, v);
}

void PlanConvnext(const v1::Convnext& spec, int size, ModelPlan& model, Violations& v) {
  switch (spec.variant()) {
    case v1::Convnext::VARIANT_NANO:
      model.convnext = ModelPlan::Convnext::kNano;
      break;
    case v1::Convnext::VARIANT_UNSPECIFIED:
    case v1::Convnext::VARIANT_TINY:
      break;
    default:
      v.Add("model.convnext.variant", "must be nano or tiny");
  }
  Probability("model.convnext.stochastic_depth",
              spec.has_stochastic_depth() ? spec.stochastic_depth() : 0.1, model.stochastic_depth,
              v);
  if (size > 0 && size < kLeastConvnextSize) {
    v.Add("data.image.size",
          absl::StrCat("must be at least ", kLeastConvnextSize, " for ", model.Name(),
                       ", which halves it five times, not ", size));
  }
}

void PlanEfficientnet(const v1::Efficientnet& spec, ModelPlan& model, Violations& v) {
  Probability("model.efficientnet.dropout", spec.has_dropout() ? spec.dropout() : 0.2,
              model.dropout, v);
  Probability("model.efficientnet.stochastic_depth",
              spec.has_stochastic_depth() ? spec.stochastic_depth() : 0.2, model.stochastic_depth,
              v);
}

void PlanVit(const v1::Vit& spec, int size, ModelPlan& model, Violations& v) {
  if (spec.patch() != 0) model.patch = spec.patch();
  if (model.patch < 1 || (size > 0 && size % model.patch != 0)) {
    v.Add("model.vit.patch",
          absl::StrCat("must divide data.image.size, which is ", size, ", not ", model.patch));
  } else if (size > 0 && size / model.patch > kMostPatches) {
    v.Add("model.vit.patch",
          absl::StrCat("is too small for images of ", size, " pixels: at most ", kMostPatches,
                       " patches a side, not ", size / model.patch));
  }
  Probability("model.vit.dropout", spec.dropout(), model.dropout, v);
}

}  // namespace

ModelPlan PlanModel(const v1::ModelSpec& spec, int size, bool image, Violations& v) {
  ModelPlan model;
  switch (spec.family_case()) {
    case v1::ModelSpec::kResnet:
      model.family = ModelPlan::Family::kResnet;
      PlanResnet(spec.resnet(), model, v);
      break;
    case v1::ModelSpec::kSmallCnn:
      model.family = ModelPlan::Family::kSmallCnn;
      if (spec.small_cnn().width() != 0) model.width = spec.small_cnn().width();
      v.Range("model.small_cnn.width", model.width, 1, 512);
      break;
    case v1::ModelSpec::kMlp:
      model.family = ModelPlan::Family::kMlp;
      PlanMlp(spec.mlp(), model, v);
      break;
    case v1::ModelSpec::kWideResnet:
      model.family = ModelPlan::Family::kWideResnet;
      PlanWideResnet(spec.wide_resnet(), model, v);
      break;
    case v1::ModelSpec::kConvnext:
      model.family = ModelPlan::Family::kConvnext;
      PlanConvnext(spec.convnext(), size, model, v);
      break;
    case v1::ModelSpec::kEfficientnet:
      model.family = ModelPlan::Family::kEfficientnet;
      PlanEfficientnet(spec.efficientnet(), model, v);
      break;
    case v1::ModelSpec::kVit:
      model.family = ModelPlan::Family::kVit;
      PlanVit(spec.vit(), size, model, v);
      break;
    case v1::ModelSpec::FAMILY_NOT_SET:
      v.Add("model",
            "needs one of resnet, small_cnn, mlp, wide_resnet, convnext, efficientnet, vit");
      return model;
  }
  if (model.family != ModelPlan::Family::kMlp && !image) {
    v.Add("data.image",
          absl::StrCat("required: ", model.Name(), " takes images; say at least data.image.size"));
  }
  return model;
}

std::vector<std::string> StageNames(const ModelPlan& model) {
  switch (model.family) {
    case ModelPlan::Family::kResnet:
    case ModelPlan::Family::kConvnext:
    case ModelPlan::Family::kEfficientnet:
    case ModelPlan::Family::kVit:
      return {"stem", "stage1", "stage2", "stage3", "stage4"};
    case ModelPlan::Family::kWideResnet:
      return {"stem", "stage1", "stage2", "stage3"};
    case ModelPlan::Family::kSmallCnn:
      return {"stage1", "stage2", "stage3", "stage4"};
    case ModelPlan::Family::kMlp:
      break;
  }
  std::vector<std::string> names;
  for (size_t i = 1; i <= model.hidden.size(); ++i) names.push_back(absl::StrCat("stage", i));
  return names;
}

std::string ModelPlan::Name() const {
  switch (family) {
    case Family::kResnet:
      return absl::StrCat("resnet", depth);
    case Family::kSmallCnn:
      return "small_cnn";
    case Family::kMlp:
      return "mlp";
    case Family::kWideResnet:
      return absl::StrCat("wide_resnet", depth, "_", widen);
    case Family::kConvnext:
      return convnext == Convnext::kNano ? "convnext_nano" : "convnext_tiny";
    case Family::kEfficientnet:
      return "efficientnet_b0";
    case Family::kVit:
      return absl::StrCat("vit_small_", patch);
  }
  return "";
}

}  // namespace skytrain::spec
