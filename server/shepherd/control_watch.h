#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/attempt/attempt_dir.h"

namespace skytrain {

// What control.binpb newly asks for. Not thread-safe.
class ControlWatch {
 public:
  explicit ControlWatch(AttemptDir dir) : dir_(std::move(dir)) {}

  // The file's content when its generation has grown since the last call; nullopt when not.
  absl::StatusOr<std::optional<internal::v1::Control>> Look();
  // Tells the ranks, which read the file too, about a stop that the shepherd itself decided.
  absl::Status AnnounceStop(internal::v1::Control::Cause cause);

 private:
  AttemptDir dir_;
  int64_t generation_ = 0;
};

}  // namespace skytrain
