#include "client/commands/architecture.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/render/format.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

const std::vector<std::string>& Known() {
  static const auto* const names = new std::vector<std::string>{
      "resnet18",      "resnet34",      "resnet50",        "resnet101", "wide_resnet28_4",
      "convnext_tiny", "convnext_nano", "efficientnet_b0", "vit_small", "small_cnn"};
  return *names;
}

std::string Canonical(const std::string& typed) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(typed), {{"-", "_"}});
}

// A number that stands alone.
bool Number(absl::string_view text, int& number) {
  return !text.empty() && absl::ascii_isdigit(text.front()) && absl::SimpleAtoi(text, &number);
}

bool Fill(absl::string_view name, v1::ModelSpec& spec) {
  int number = 0, other = 0;
  if (absl::ConsumePrefix(&name, "wide_resnet")) {
    const std::vector<absl::string_view> parts = absl::StrSplit(name, '_');
    if (parts.size() != 2 || !Number(parts[0], number) || !Number(parts[1], other)) return false;
    spec.mutable_wide_resnet()->set_depth(number);
    spec.mutable_wide_resnet()->set_widen(other);
    return true;
  }
  if (absl::ConsumePrefix(&name, "resnet")) {
    if (!Number(name, number)) return false;
    if (number != 18 && number != 34 && number != 50 && number != 101) return false;
    spec.mutable_resnet()->set_depth(number);
    return true;
  }
  if (name == "convnext_tiny" || name == "convnext_nano") {
    spec.mutable_convnext()->set_variant(name == "convnext_nano" ? v1::Convnext::VARIANT_NANO
                                                                 : v1::Convnext::VARIANT_TINY);
    return true;
  }
  if (name == "efficientnet_b0") {
    spec.mutable_efficientnet();
    return true;
  }
  if (name == "small_cnn") {
    spec.mutable_small_cnn();
    return true;
  }
  if (!absl::ConsumePrefix(&name, "vit_small")) return false;
  spec.mutable_vit()->set_patch(16);
  if (name.empty()) return true;
  if (!absl::ConsumePrefix(&name, "_")) return false;
  absl::ConsumePrefix(&name, "patch");
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '_');
  if (!Number(parts[0], number) || (parts.size() == 2 && !Number(parts[1], other))) return false;
  spec.mutable_vit()->set_patch(number);
  return parts.size() <= 2;
}

}  // namespace

absl::StatusOr<v1::ModelSpec> ParseArchitecture(const std::string& typed) {
  v1::ModelSpec spec;
  const std::string name = Canonical(typed);
  if (Fill(name, spec)) return spec;
  const std::string nearest = NearestName(name, Known());
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_ARCHITECTURE",
      absl::StrCat("there is no architecture '", Printable(typed), "'",
                   nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"),
                   "\nThere are ", absl::StrJoin(Known(), ", ")));
}

std::string NameAfter(const std::string& architecture) {
  return absl::StrReplaceAll(Canonical(architecture), {{"_", "-"}});
}

}  // namespace skytrain::client
