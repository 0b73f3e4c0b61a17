#pragma once

#include <vector>

#include "skytrain/v1/node_service.pb.h"

namespace skytrain {

// What this machine has, named as the scheduler names it.

// "cpu:0" … one for each hardware thread that this process may use, with the processor's name.
std::vector<v1::Device> DetectCpus();

// "gpu:0" … as NVML counts them, with name and memory; by their device files where NVML is absent.
std::vector<v1::Device> DetectGpus();

}  // namespace skytrain
