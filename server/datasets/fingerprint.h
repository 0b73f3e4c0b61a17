#pragma once

#include <string>

#include "skytrain/v1/experiment.pb.h"

namespace skytrain {

// What identifies the present content of the files that `data.source` names, without reading them:
// device, inode, size, and times of modification and change of each; of a folder also those of the
// folders in it (a file added or removed changes its folder), three levels and 4,096 folders deep
// at most. A path that is not there counts as absent. Takes microseconds for files.
std::string FingerprintOf(const v1::Data& data);

}  // namespace skytrain
