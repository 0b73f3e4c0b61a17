#pragma once

#include <string>

#include "absl/status/status.h"
#include "skytrain/v1/dataset.pb.h"

namespace skytrain {

// A google.rpc.Status with the payloads (ErrorInfo, BadRequest) of `status`, serialized.
std::string SerializedStatus(const absl::Status& status);

// A few lines for people.
std::string Summary(const v1::DatasetManifest& manifest);

}  // namespace skytrain
