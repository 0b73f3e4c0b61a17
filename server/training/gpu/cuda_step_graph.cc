#include "server/training/gpu/cuda_step_graph.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#include <memory>
#include <utility>

namespace skytrain::training {
namespace {

using c10::cuda::CUDAStream;

// What `later` is asked for from now on comes after all that `earlier` was asked for.
void Order(const CUDAStream& earlier, const CUDAStream& later) {
  at::cuda::CUDAEvent event;
  event.record(earlier);
  event.block(later);
}

class CudaStepGraph final : public StepGraph {
 public:
  explicit CudaStepGraph(int device)
      : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false,
                                             static_cast<c10::DeviceIndex>(device))) {}

  void WarmUp(const Work& work) override {
    const CUDAStream caller = c10::cuda::getCurrentCUDAStream(stream_.device_index());
    Order(caller, stream_);
    {
      const c10::cuda::CUDAStreamGuard guard(stream_);
      work();
    }
    Order(stream_, caller);
  }

  std::string Capture(const Work& work) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    // The graph's memory is its own: what the warm-up left in the allocator would be there twice.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    const c10::MempoolId_t pool = at::cuda::graph_pool_handle();
    // Made here, not as a member by value: its constructor needs a GPU.
    auto graph = std::make_unique<at::cuda::CUDAGraph>();
    // Other threads may go on using CUDA.
    graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (const c10::Error& error) {
      Abandon(pool);
      return error.what_without_backtrace();
    } catch (const std::exception& error) {  // Of libraries below LibTorch.
      Abandon(pool);
      return error.what();
    }
    graph->capture_end();
    graph_ = std::move(graph);
    return "";
  }

  void Replay() override { graph_->replay(); }

 private:
  // Takes stream and allocator out of a capture that failed, which CUDAGraph does not do.
  void Abandon(c10::MempoolId_t pool) {
    cudaGraph_t part = nullptr;
    // An error of its own says once more that the capture failed.
    if (cudaStreamEndCapture(stream_, &part) == cudaSuccess) (void)cudaGraphDestroy(part);
    (void)cudaGetLastError();
    c10::cuda::CUDACachingAllocator::endAllocateToPool(stream_.device_index(), pool);
    c10::cuda::CUDACachingAllocator::releasePool(stream_.device_index(), pool);
    at::HostAllocator* const host = at::getHostAllocator(at::kCUDA);
    host->end_allocate_to_pool(pool);
    host->release_pool(pool);
  }

  const CUDAStream stream_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

}  // namespace

std::unique_ptr<StepGraph> MakeCudaStepGraph(int device) {
  return std::make_unique<CudaStepGraph>(device);
}

}  // namespace skytrain::training
