#include "server/training/checkpoint/weight_names.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/utf8.h"

namespace skytrain::training {
namespace {

using Family = spec::ModelPlan::Family;

constexpr size_t kMostViolations = 5;
constexpr size_t kLongestShown = 100;  // Of a name in a message.
constexpr size_t kMostCandidates = 2000;
constexpr int64_t kMostPatches = 64;  // On a side of an image.

// `from`, in which '#' stands for a number, becomes `to`, in which "%0" is the first number times
// `scale` plus `shift`, and "%1" the second one. A `from` that ends with '.' is only a beginning.
// The first rule that fits is taken.
struct Rule {
  absl::string_view from, to;
  int scale = 1, shift = 0;
};

constexpr Rule kConvnext[] = {
    // timm
    {"stem.#.", "features.0.%0."},
    {"stages.#.downsample.#.", "features.%0.%1.", 2},
    {"stages.#.blocks.#.gamma", "features.%0.%1.layer_scale", 2, 1},
    {"stages.#.blocks.#.conv_dw.", "features.%0.%1.block.0.", 2, 1},
    {"stages.#.blocks.#.norm.", "features.%0.%1.block.2.", 2, 1},
    {"stages.#.blocks.#.mlp.fc1.", "features.%0.%1.block.3.", 2, 1},
    {"stages.#.blocks.#.mlp.fc2.", "features.%0.%1.block.5.", 2, 1},
    {"head.norm.", "classifier.0."},
    {"head.fc.", "classifier.2."},
    // github.com/facebookresearch/ConvNeXt
    {"downsample_layers.#.#.", "features.%0.%1.", 2},
    {"stages.#.#.gamma", "features.%0.%1.layer_scale", 2, 1},
    {"stages.#.#.dwconv.", "features.%0.%1.block.0.", 2, 1},
    {"stages.#.#.norm.", "features.%0.%1.block.2.", 2, 1},
    {"stages.#.#.pwconv1.", "features.%0.%1.block.3.", 2, 1},
    {"stages.#.#.pwconv2.", "features.%0.%1.block.5.", 2, 1},
    {"norm.", "classifier.0."},
    {"head.", "classifier.2."},
};

// timm. The blocks of its stage 0 have no expansion.
constexpr Rule kEfficientnet[] = {
    {"conv_stem.", "features.0.0."},
    {"bn1.", "features.0.1."},
    {"blocks.0.#.conv_dw.", "features.1.%0.block.0.0."},
    {"blocks.0.#.bn1.", "features.1.%0.block.0.1."},
    {"blocks.0.#.se.conv_reduce.", "features.1.%0.block.1.fc1."},
    {"blocks.0.#.se.conv_expand.", "features.1.%0.block.1.fc2."},
    {"blocks.0.#.conv_pw.", "features.1.%0.block.2.0."},
    {"blocks.0.#.bn2.", "features.1.%0.block.2.1."},
    {"blocks.#.#.conv_pw.", "features.%0.%1.block.0.0.", 1, 1},
    {"blocks.#.#.bn1.", "features.%0.%1.block.0.1.", 1, 1},
    {"blocks.#.#.conv_dw.", "features.%0.%1.block.1.0.", 1, 1},
    {"blocks.#.#.bn2.", "features.%0.%1.block.1.1.", 1, 1},
    {"blocks.#.#.se.conv_reduce.", "features.%0.%1.block.2.fc1.", 1, 1},
    {"blocks.#.#.se.conv_expand.", "features.%0.%1.block.2.fc2.", 1, 1},
    {"blocks.#.#.conv_pwl.", "features.%0.%1.block.3.0.", 1, 1},
    {"blocks.#.#.bn3.", "features.%0.%1.block.3.1.", 1, 1},
    {"conv_head.", "features.8.0."},
    {"bn2.", "features.8.1."},
    {"classifier.", "classifier.1."},
};

constexpr Rule kVit[] = {
    // timm
    {"cls_token", "class_token"},
    {"pos_embed", "encoder.pos_embedding"},
    {"patch_embed.proj.", "conv_proj."},
    {"blocks.#.norm1.", "encoder.layers.encoder_layer_%0.ln_1."},
    {"blocks.#.attn.qkv.weight", "encoder.layers.encoder_layer_%0.self_attention.in_proj_weight"},
    {"blocks.#.attn.qkv.bias", "encoder.layers.encoder_layer_%0.self_attention.in_proj_bias"},
    {"blocks.#.attn.proj.", "encoder.layers.encoder_layer_%0.self_attention.out_proj."},
    {"blocks.#.norm2.", "encoder.layers.encoder_layer_%0.ln_2."},
    {"blocks.#.mlp.fc1.", "encoder.layers.encoder_layer_%0.mlp.0."},
    {"blocks.#.mlp.fc2.", "encoder.layers.encoder_layer_%0.mlp.3."},
    {"norm.", "encoder.ln."},
    {"head.", "heads.head."},
    // torchvision before 0.14
    {"encoder.layers.encoder_layer_#.mlp.linear_1.", "encoder.layers.encoder_layer_%0.mlp.0."},
    {"encoder.layers.encoder_layer_#.mlp.linear_2.", "encoder.layers.encoder_layer_%0.mlp.3."},
};

absl::Span<const Rule> RulesOf(Family family) {
  switch (family) {
    case Family::kConvnext:
      return kConvnext;
    case Family::kEfficientnet:
      return kEfficientnet;
    case Family::kVit:
      return kVit;
    case Family::kResnet:  // timm's names are torchvision's.
    case Family::kWideResnet:
    case Family::kSmallCnn:
    case Family::kMlp:
      break;
  }
  return {};
}

// What `rule` makes of `name`, where it fits.
std::optional<std::string> Apply(const Rule& rule, absl::string_view name) {
  std::vector<int> numbers;
  absl::string_view rest = name;
  for (size_t i = 0; i < rule.from.size(); ++i) {
    if (rule.from[i] != '#') {
      if (!absl::ConsumePrefix(&rest, rule.from.substr(i, 1))) return std::nullopt;
      continue;
    }
    size_t digits = 0;
    while (digits < rest.size() && absl::ascii_isdigit(rest[digits])) ++digits;
    if (digits == 0 || digits > 4 ||
        !absl::SimpleAtoi(rest.substr(0, digits), &numbers.emplace_back())) {
      return std::nullopt;
    }
    rest.remove_prefix(digits);
  }
  if (!rest.empty() && rule.from.back() != '.') return std::nullopt;
  numbers.resize(2);
  return absl::StrCat(
      absl::StrReplaceAll(rule.to, {{"%0", absl::StrCat(numbers[0] * rule.scale + rule.shift)},
                                    {"%1", absl::StrCat(numbers[1])}}),
      rest);
}

std::string Shown(const std::string& name) {
  return absl::StrCat("\"", absl::CHexEscape(Utf8Prefix(name, kLongestShown)), "\"");
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape.subspan(0, 8), ", "), "]");
}

std::string WantedText(const WantedTensor& wanted) {
  if (!wanted.any_rows) return ShapeText(wanted.shape);
  const auto sides = absl::MakeConstSpan(wanted.shape).subspan(1);
  return absl::StrCat("[outputs", sides.empty() ? "" : ", ", absl::StrJoin(sides, ", "), "]");
}

bool SameShape(const WantedTensor& wanted, std::vector<int64_t> found) {
  std::vector<int64_t> shape = wanted.shape;
  if (wanted.any_rows) {
    if (found.empty() || found[0] < 1) return false;
    shape[0] = found[0];
  }
  if (shape == found) return true;
  for (std::vector<int64_t>* sides : {&shape, &found}) {
    while (!sides->empty() && sides->back() == 1) sides->pop_back();
  }
  return shape == found;
}

absl::string_view FirstPart(absl::string_view name) { return name.substr(0, name.find('.')); }

// "encoder." where all begin with it and no tensor of the network does. Again and again.
std::string SharedPrefix(absl::Span<const WantedTensor> wanted,
                         absl::Span<const TensorShape> found) {
  absl::flat_hash_set<absl::string_view> known;
  for (const WantedTensor& tensor : wanted) known.insert(FirstPart(tensor.name));
  std::string prefix;
  while (!found.empty()) {
    const absl::string_view first = absl::string_view(found[0].name).substr(prefix.size());
    const absl::string_view part = FirstPart(first);
    if (part.size() == first.size() || known.contains(part)) return prefix;
    const std::string longer = absl::StrCat(prefix, part, ".");
    for (const TensorShape& tensor : found) {
      if (!absl::StartsWith(tensor.name, longer)) return prefix;
    }
    prefix = longer;
  }
  return prefix;
}

class Complaints {
 public:
  void Add(std::string text) {
    if (++count_ <= kMostViolations) list_.push_back({"blob", std::move(text)});
  }
  bool empty() const { return count_ == 0; }
  bool full() const { return count_ >= kMostViolations; }  // More are only counted.
  absl::Status ToStatus(const std::string& family) && {
    if (count_ > kMostViolations) {
      list_.push_back({"blob", absl::StrCat("and ", count_ - kMostViolations,
                                            " tensors more. Is it a file for ", family, "?")});
    }
    return BadRequestError("INVALID_MODEL", std::move(list_));
  }

 private:
  size_t count_ = 0;
  std::vector<FieldViolation> list_;
};

// The nearest of names whose tensors have the same shape, as words for a message. Of a file that
// anybody may have made: only so many names, and no long ones, are compared.
std::string Meant(absl::string_view name, const std::vector<std::string>& same_shape) {
  if (name.size() > kLongestShown) return "";
  std::vector<std::string> some;
  for (const std::string& candidate : same_shape) {
    if (candidate.size() <= kLongestShown) some.push_back(candidate);
    if (some.size() == kMostCandidates) break;
  }
  const std::string nearest = NearestName(name, some);
  return nearest.empty() ? "" : absl::StrCat("; is ", Shown(nearest), " meant?");
}

// Patches of another size of image have other positions.
std::string SizeHint(const spec::ModelPlan& model, const WantedTensor& wanted,
                     const TensorShape& found) {
  if (model.family != Family::kVit || wanted.name != "encoder.pos_embedding" ||
      found.shape.size() != 3) {
    return "";
  }
  for (int64_t side = 1; side * side < found.shape[1]; ++side) {
    if (side * side + 1 == found.shape[1]) {
      return absl::StrCat("; these weights are for images of ", side * model.patch,
                          " pixels (image.size)");
    }
    if (side > kMostPatches) break;
  }
  return "";
}

// Whether the last layer is missing, all of it and nothing else.
bool IsBackbone(absl::Span<const WantedTensor> wanted, absl::Span<const WantedTensor> missing) {
  const auto of_head = [](const WantedTensor& tensor) { return tensor.any_rows; };
  return !missing.empty() && std::all_of(missing.begin(), missing.end(), of_head) &&
         std::count_if(wanted.begin(), wanted.end(), of_head) ==
             static_cast<int64_t>(missing.size());
}

std::string AddHead(absl::Span<const WantedTensor> missing) {
  std::string lines;
  for (const WantedTensor& wanted : missing) {
    std::vector<std::string> sides = {"K"};
    for (size_t i = 1; i < wanted.shape.size(); ++i) sides.push_back(absl::StrCat(wanted.shape[i]));
    absl::StrAppend(&lines, lines.empty() ? "" : ", ", "tensors[\"", wanted.name,
                    "\"] = torch.zeros(", absl::StrJoin(sides, ", "), ")");
  }
  return absl::StrCat(
      "it has no last layer. Give it one in Python, for K classes, which "
      "fine-tuning then replaces: ",
      lines);
}

}  // namespace

std::string UsualName(Family family, const std::string& name) {
  for (const Rule& rule : RulesOf(family)) {
    if (auto renamed = Apply(rule, name)) return *std::move(renamed);
  }
  return name;
}

absl::StatusOr<std::vector<int>> MatchTensors(const spec::ModelPlan& model,
                                              absl::Span<const WantedTensor> wanted,
                                              absl::Span<const TensorShape> found) {
  Complaints complaints;
  absl::flat_hash_map<std::string, int> places;  // Of the network's names.
  for (size_t i = 0; i < wanted.size(); ++i) places[wanted[i].name] = static_cast<int>(i);
  std::vector<int> match(wanted.size(), -1);
  const std::string prefix = SharedPrefix(wanted, found);
  std::vector<TensorShape> strangers;
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string bare = found[i].name.substr(prefix.size());
    auto place = places.find(bare);
    if (place == places.end()) place = places.find(UsualName(model.family, bare));
    if (place == places.end()) {
      strangers.push_back(found[i]);
      continue;
    }
    int& taken = match[place->second];
    if (taken >= 0) {
      complaints.Add(absl::StrCat("tensors ", Shown(found[taken].name), " and ",
                                  Shown(found[i].name), " are both ", Shown(place->first)));
      continue;
    }
    taken = static_cast<int>(i);
  }
  std::vector<WantedTensor> missing;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (match[i] < 0 && !wanted[i].optional) {
      missing.push_back(wanted[i]);
    } else if (match[i] >= 0 && !SameShape(wanted[i], found[match[i]].shape)) {
      complaints.Add(absl::StrCat("tensor ", Shown(found[match[i]].name), " is ",
                                  ShapeText(found[match[i]].shape), ", that of ", model.Name(),
                                  " is ", WantedText(wanted[i]),
                                  SizeHint(model, wanted[i], found[match[i]])));
    }
  }
  if (strangers.empty() && IsBackbone(wanted, missing)) {
    complaints.Add(AddHead(missing));
    missing.clear();
  }
  for (const WantedTensor& tensor : missing) {
    std::vector<std::string> same_shape;
    for (const TensorShape& stranger : strangers) {
      if (!complaints.full() && SameShape(tensor, stranger.shape)) {
        same_shape.push_back(stranger.name);
      }
    }
    complaints.Add(absl::StrCat("tensor ", Shown(tensor.name), " ", WantedText(tensor), " of ",
                                model.Name(), " is missing", Meant(tensor.name, same_shape)));
  }
  for (const TensorShape& stranger : strangers) {
    std::vector<std::string> same_shape;
    for (const WantedTensor& tensor : missing) {
      if (!complaints.full() && SameShape(tensor, stranger.shape)) {
        same_shape.push_back(tensor.name);
      }
    }
    complaints.Add(absl::StrCat(
        "tensor ", Shown(stranger.name), " ", ShapeText(stranger.shape), " belongs to no layer of ",
        model.Name(), Meant(absl::string_view(stranger.name).substr(prefix.size()), same_shape)));
  }
  if (!complaints.empty()) return std::move(complaints).ToStatus(model.Name());
  return match;
}

}  // namespace skytrain::training
