#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::client {

// The network that people call "resnet18", "resnet34", "resnet50", "resnet101",
// "wide_resnet28_4", "convnext_tiny", "convnext_nano", "efficientnet_b0", "vit_small" (patches of
// 16 pixels), "vit_small_8" or "small_cnn"; '-' is as good as '_', and timm's
// "vit_small_patch16_224" is known too. INVALID_ARGUMENT (BAD_ARCHITECTURE), with the nearest.
absl::StatusOr<v1::ModelSpec> ParseArchitecture(const std::string& typed);

// "resnet18" of "resnet18_v2": a name for a model that nobody named. [a-z0-9-].
std::string NameAfter(const std::string& architecture);

}  // namespace skytrain::client
