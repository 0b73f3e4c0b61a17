#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/file/file_system.h"
#include "server/training/checkpoint/model_card.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Writes further files into the folder that it is given, and syncs each.
using FilesWriter =
    std::function<absl::StatusOr<std::vector<NamedDigest>>(const std::string& folder)>;

// Writes the folder of a finished model, model.safetensors, model.json and, unless that writer is
// empty, what it writes, atomically: as FOLDER.tmp, synced, renamed. `card.weights` and
// `card.files` are filled in. ALREADY_EXISTS, RESOURCE_EXHAUSTED, and the writer's errors.
absl::Status WriteModelFolder(FileSystem& fs, const std::string& folder, ModelCard card,
                              absl::Span<const NamedTensor> state,
                              const FilesWriter& write_files = {});

struct LoadedModel {
  ModelCard card;
  std::vector<NamedTensor> state;
};

// `sha256`: what is known of the files from elsewhere, by name; without it the card is believed.
// DATA_LOSS (MODEL_CORRUPT), naming the file, where one is missing, damaged, or does not match its
// SHA-256.
absl::StatusOr<LoadedModel> ReadModelFolder(FileSystem& fs, const std::string& folder,
                                            const std::map<std::string, std::string>& sha256 = {});

}  // namespace skytrain::training
