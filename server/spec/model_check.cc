#include "server/spec/model_check.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace skytrain::spec {
namespace {

// Of a probability that may be left out: `otherwise` where it is.
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
    case v1::ModelSpec::kConvnext:
    case v1::ModelSpec::kEfficientnet:
    case v1::ModelSpec::kVit:
      break;
    case v1::ModelSpec::FAMILY_NOT_SET:
      v.Add("model", "needs one of resnet, small_cnn, mlp");
      return model;
  }
  if (model.family != ModelPlan::Family::kMlp && !image) {
    v.Add("data.image",
          absl::StrCat("required: ", model.Name(), " takes images; say at least data.image.size"));
  }
  return model;
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
