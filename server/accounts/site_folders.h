#pragma once

#include <string>

#include "absl/status/status.h"

namespace skytrain {

// Where the things of users lie below work_dir in mode: site. Each is root's, and holds an entry
// for each attempt or user that belongs to its owner.
struct SiteFolders {
  std::string attempts;  // work_dir/attempts: <job uid>-<k>
  std::string trash;     // work_dir/attempts/.trash
  std::string cache;     // work_dir/cache: <uid>, decoded data sets
  std::string probe;     // work_dir/probe: <uid>, requests and answers of skytrain-probe
  std::string inputs;    // work_dir/inputs: <uid>, second names of what the user has uploaded
};
SiteFolders SiteFoldersIn(const std::string& work_dir);

// Makes them, and settles who may see what: everybody may pass through work_dir to what is his own
// (0711), nobody but root may list it, or look into anything else in state_dir and work_dir.
// PERMISSION_DENIED (UNSAFE_WORK_DIR): a user could exchange a folder above work_dir.
absl::Status PrepareSiteFolders(const std::string& state_dir, const std::string& work_dir);

}  // namespace skytrain
