#pragma once

#include <string>

#include "skytrain/v1/dataset.pb.h"

namespace skytrain {

// A few lines for people.
std::string Summary(const v1::DatasetManifest& manifest);

}  // namespace skytrain
