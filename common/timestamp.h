#pragma once

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace skytrain {

// Between the protos' time and ours, exact to the nanosecond.
google::protobuf::Timestamp ToTimestamp(absl::Time time);
absl::Time ToTime(const google::protobuf::Timestamp& timestamp);

}  // namespace skytrain
