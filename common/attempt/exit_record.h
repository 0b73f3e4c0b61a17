#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/file/file_system.h"
#include "skytrain/internal/v1/attempt.pb.h"

namespace skytrain {

// exit.binpb: a file of fixed size that is reserved when the attempt begins and overwritten in
// place when it ends, so that the end can be told on a full disk. Its bytes are in README.md.

// Reserves the blocks. RESOURCE_EXHAUSTED when the disk is full already.
absl::Status PreallocateExitRecord(FileSystem& fs, const std::string& path);
// Written and synced. A message that does not fit is cut. Also works without the reservation.
absl::Status WriteExitRecord(FileSystem& fs, const std::string& path,
                             internal::v1::ExitRecord record);
// nullopt: absent, not written, or torn.
absl::StatusOr<std::optional<internal::v1::ExitRecord>> ReadExitRecord(FileSystem& fs,
                                                                       const std::string& path);

}  // namespace skytrain
