#pragma once

#include <map>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/file/file_system.h"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/models/model.h"

namespace skytrain::training {

// Tensors as a safetensors file, in logical [N, C, H, W] order whatever their memory format or
// device. float32 and int64 only. Errors of WriteSafetensors.
absl::StatusOr<FileDigest> SaveTensors(FileSystem& fs, const std::string& path,
                                       absl::Span<const NamedTensor> tensors,
                                       const std::map<std::string, std::string>& metadata);

// Copies, on the CPU. DATA_LOSS (SAFETENSORS_CORRUPT).
absl::StatusOr<std::vector<NamedTensor>> TensorsOf(absl::string_view content);

// Copies the values of `from` into `to`, tensor by tensor, keeping device and memory format of
// `to`. Strict: DATA_LOSS (SAFETENSORS_CORRUPT) unless names, types and shapes are the same.
absl::Status CopyTensors(absl::Span<const NamedTensor> from, absl::Span<const NamedTensor> to);

// Copies that share no memory with `tensors`, on the CPU.
std::vector<NamedTensor> CloneTensors(absl::Span<const NamedTensor> tensors);

// True when every float is finite.
bool AllFinite(absl::Span<const NamedTensor> tensors);

}  // namespace skytrain::training
