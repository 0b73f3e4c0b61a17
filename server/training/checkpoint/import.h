#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/file/file_system.h"
#include "skytrain/v1/model.pb.h"
#include "skytrain/v1/model_service.pb.h"

namespace skytrain::training {

// Checks the safetensors file at `weights_path`, which nobody has looked into before, against
// `request`, and writes the folder of a model from it (see WriteModelFolder), as float32 with
// torchvision's names. Answers what it found: family, classes, task, parameters, source. A dry run
// (`validate_only`) does all but write. Errors: those of spec::PlanImport; INVALID_ARGUMENT
// (INVALID_MODEL), violations of "blob" or "outputs"; RESOURCE_EXHAUSTED (STORE_FULL); INTERNAL.
// Never throws.
absl::StatusOr<v1::Model> ImportModel(FileSystem& fs, const v1::ImportModelRequest& request,
                                      const std::string& weights_path, const std::string& folder);

}  // namespace skytrain::training
