#pragma once

#include <string>

#include "absl/time/time.h"
#include "client/render/terminal.h"
#include "skytrain/v1/model.pb.h"

namespace skytrain::client {

// `models show`: what it is, where it comes from (job, data), how good it was, its files.
std::string ModelText(const v1::Model& model, absl::Time now, const Terminal& terminal);

}  // namespace skytrain::client
