#pragma once

#include "ATen/ATen.h"

namespace skytrain::training {

// `tensor`, which is on the CPU, on `device`: there the tensor itself; on a GPU a copy, behind what
// the device has to do already. The host waits for neither, and `tensor` may go or change at once.
inline at::Tensor ToDevice(const at::Tensor& tensor, const c10::Device& device) {
  return device.is_cpu() ? tensor : tensor.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace skytrain::training
