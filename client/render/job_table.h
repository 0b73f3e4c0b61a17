#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/render/terminal.h"
#include "skytrain/v1/job.pb.h"
#include "skytrain/v1/model.pb.h"
#include "skytrain/v1/node_service.pb.h"

namespace skytrain::client {

// One line a job: name, state, progress, best-known metric, owner, age.
std::string JobTable(const std::vector<v1::Job>& jobs, absl::Time now, const Terminal& terminal);

// One line a model version.
std::string ModelTable(const std::vector<v1::Model>& models, absl::Time now,
                       const Terminal& terminal);

// One line a waiting job: name, owner, priority, why it waits, when it might start.
std::string QueueTable(const v1::GetQueueResponse& queue, absl::Time now, const Terminal& terminal);

std::string DeviceTable(const v1::ListDevicesResponse& devices, const Terminal& terminal);

}  // namespace skytrain::client
