#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace skytrain::data {

// `path` with every link resolved. A relative path is looked for below each root in turn (below the
// working directory when there are none). It must lie below one of `roots` after links are
// resolved; no roots: anywhere. DATA_NOT_FOUND, OUTSIDE_DATA_ROOTS.
absl::StatusOr<std::string> ResolvePath(const std::string& path,
                                        const std::vector<std::string>& roots);

// Hexadecimal; of path, size, mtime and inode of the file, or of every file below the folder,
// without reading any. OUTSIDE_DATA_ROOTS for a link in the folder that leads out.
absl::StatusOr<std::string> FingerprintOf(const std::vector<std::string>& resolved_paths,
                                          const std::vector<std::string>& roots);

struct WalkedFile {
  std::string path;  // Relative to the folder, with slashes.
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  uint64_t inode = 0;
};
struct WalkedFolder {
  std::vector<WalkedFile> files;     // Sorted by path; hidden ones left out.
  std::vector<std::string> folders;  // Sorted; hidden ones left out.
};
// Every regular file below `folder`, links followed where they stay below `roots`.
absl::StatusOr<WalkedFolder> WalkFolder(const std::string& folder,
                                        const std::vector<std::string>& roots);

// ".x", "._x" (macOS), "__MACOSX": in any component.
bool IsHiddenPath(const std::string& path);

}  // namespace skytrain::data
