#pragma once

#include <vector>

#include "server/devices/device_monitor.h"
#include "skytrain/v1/node_service.pb.h"

namespace skytrain {

// What this machine has, named as the scheduler names it.

// "cpu:0" … one for each hardware thread that this process may use, with the processor's name.
std::vector<v1::Device> DetectCpus();

// "gpu:0" … as the monitor counts them, with name and memory; by their device files where there is
// none (null).
std::vector<v1::Device> DetectGpus(DeviceMonitor* monitor);

}  // namespace skytrain
