#pragma once

#include <functional>
#include <string>

namespace skytrain::training {

// Work that a device does again and again, recorded once: a CUDA graph (cuda_step_graph.cc), whose
// hundreds of kernels then start with one call. Free of CUDA, so that the training loop can hold
// one, and tests a fake. Not thread-safe. Throws as LibTorch does.
class StepGraph {
 public:
  using Work = std::function<void()>;

  virtual ~StepGraph() = default;

  // Runs `work` as Capture will, but for recording: libraries choose their algorithms and take
  // their memory here.
  virtual void WarmUp(const Work& work) = 0;

  // Records what `work` asks of the device, which does none of it. What `work` does on the host
  // happens now, and never again: the host must wait for nothing in it, and numbers that it gives
  // to the device stay as they are. Once. Returns why the device cannot record this; empty when it
  // has.
  virtual std::string Capture(const Work& work) = 0;

  // Does what was recorded, on the same memory, in the order of the caller's other work on the
  // device.
  virtual void Replay() = 0;
};

}  // namespace skytrain::training
