#include "server/training/checkpoint/tensor_io.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::training {
namespace {

absl::Status Mismatch(const std::string& what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "SAFETENSORS_CORRUPT", what);
}

}  // namespace

absl::StatusOr<FileDigest> SaveTensors(FileSystem& fs, const std::string& path,
                                       absl::Span<const NamedTensor> tensors,
                                       const std::map<std::string, std::string>& metadata) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> rows;  // Keeps the memory of `views`.
  std::vector<TensorView> views;
  for (const NamedTensor& named : tensors) {
    const at::Tensor& tensor =
        rows.emplace_back(named.tensor.detach().cpu().contiguous(at::MemoryFormat::Contiguous));
    if (tensor.scalar_type() != at::kFloat && tensor.scalar_type() != at::kLong) {
      return absl::InternalError(absl::StrCat(named.name, " is neither float32 nor int64"));
    }
    views.push_back({named.name, tensor.scalar_type() == at::kFloat ? "F32" : "I64",
                     tensor.sizes().vec(),
                     absl::string_view(static_cast<const char*>(tensor.const_data_ptr()),
                                       static_cast<size_t>(tensor.nbytes()))});
  }
  return WriteSafetensors(fs, path, views, metadata);
}

absl::StatusOr<std::vector<NamedTensor>> TensorsOf(absl::string_view content) {
  ASSIGN_OR_RETURN(const Safetensors file, ParseSafetensors(content));
  std::vector<NamedTensor> tensors;
  for (const TensorView& view : file.tensors) {
    if (view.dtype != "F32" && view.dtype != "I64") {
      return Mismatch(
          absl::StrCat("tensor \"", view.name, "\" is ", view.dtype, ", expected F32 or I64"));
    }
    at::Tensor tensor = at::empty(view.shape, view.dtype == "F32" ? at::kFloat : at::kLong);
    // Not from_blob: nothing aligns the bytes inside the file.
    std::memcpy(tensor.mutable_data_ptr(), view.data.data(), view.data.size());
    tensors.push_back({view.name, std::move(tensor)});
  }
  return tensors;
}

absl::Status CopyTensors(absl::Span<const NamedTensor> from, absl::Span<const NamedTensor> to) {
  const at::NoGradGuard no_grad;
  absl::flat_hash_map<std::string, at::Tensor> sources;
  for (const NamedTensor& named : from) sources[named.name] = named.tensor;
  for (const NamedTensor& named : to) {
    const auto source = sources.find(named.name);
    if (source == sources.end()) {
      return Mismatch(absl::StrCat("tensor \"", named.name, "\" is missing"));
    }
    if (source->second.sizes() != named.tensor.sizes() ||
        source->second.scalar_type() != named.tensor.scalar_type()) {
      return Mismatch(absl::StrCat("tensor \"", named.name, "\" has another type or shape"));
    }
    named.tensor.copy_(source->second);
    sources.erase(source);
  }
  if (!sources.empty()) {
    return Mismatch(absl::StrCat("tensor \"", sources.begin()->first, "\" belongs to no layer"));
  }
  return absl::OkStatus();
}

std::vector<NamedTensor> CloneTensors(absl::Span<const NamedTensor> tensors) {
  const at::NoGradGuard no_grad;
  std::vector<NamedTensor> copies;
  for (const NamedTensor& named : tensors) {
    copies.push_back({named.name, named.tensor.detach().to(at::kCPU, /*non_blocking=*/false,
                                                           /*copy=*/true)});
  }
  return copies;
}

bool AllFinite(absl::Span<const NamedTensor> tensors) {
  const at::NoGradGuard no_grad;
  for (const NamedTensor& named : tensors) {
    if (!named.tensor.is_floating_point()) continue;
    // The sum of finite floats overflows only where training is lost anyway.
    if (!std::isfinite(named.tensor.abs().sum().item<double>())) return false;
  }
  return true;
}

}  // namespace skytrain::training
