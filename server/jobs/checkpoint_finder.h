#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/file/file_system.h"

namespace skytrain {

struct Checkpoint {
  std::string path;  // Of the folder step-N.
  int64_t step = 0;
};

// OK when state.json is whole, and every file that it lists is there with its digest. What is read
// of its layout (written by server/training/checkpoint): {"state": {"files": {"model.safetensors":
// {"sha256": hex, …}, …}, …}, "sha256": hex of the text of "state"}. DATA_LOSS says what is wrong.
// CANCELLED as soon as `stop`, which may be empty, answers true.
absl::Status CheckCheckpoint(FileSystem& fs, const std::string& path,
                             const std::function<bool()>& stop = nullptr);

// The whole checkpoint with the greatest step below any of `folders` (the checkpoints/ of the
// attempts, oldest first); of equal steps the newest attempt's. Folders still named step-N.tmp were
// never finished. Torn ones are skipped, and `on_torn` is told why. Reads every byte of those it
// looks at; once `stop` answers true it finds none.
std::optional<Checkpoint> NewestCheckpoint(FileSystem& fs, const std::vector<std::string>& folders,
                                           const std::function<void(const absl::Status&)>& on_torn,
                                           const std::function<bool()>& stop = nullptr);

// The step that was the best of the run when the checkpoint was written, as its state.json says
// ("best": {"step": N}); nullopt: none yet, or it cannot be read.
std::optional<int64_t> BestStep(FileSystem& fs, const std::string& path);

}  // namespace skytrain
