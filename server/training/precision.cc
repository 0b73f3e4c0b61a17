#include "server/training/precision.h"

#include "ATen/ATen.h"
#include "ATen/Version.h"
#include "ATen/cpu/Utils.h"
#include "ATen/detail/CUDAHooksInterface.h"
#include "common/errors.h"

namespace skytrain::training {
namespace {

bool HasAvx512() { return at::get_cpu_capability() == "AVX512"; }

bool MultipliesBf16(const c10::Device& device) {
  if (device.is_cpu()) return HasBf16Arithmetic() || HasAmx();
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

}  // namespace

bool HasBf16Arithmetic() {
  static const bool has = HasAvx512() && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512bf16");
  return has;
}

bool HasAmx() {
  // The kernel has to grant the tiles' registers, too.
  static const bool has = HasAvx512() && __builtin_cpu_supports("amx-bf16") && at::cpu::init_amx();
  return has;
}

std::string InstructionSet() {
  const std::string base = at::get_cpu_capability();
  if (HasAmx()) return base + "_AMX";
  return HasBf16Arithmetic() ? base + "_BF16" : base;
}

const char* PrecisionName(spec::Precision precision) {
  switch (precision) {
    case spec::Precision::kAuto:
      return "auto";
    case spec::Precision::kFp32:
      return "fp32";
    case spec::Precision::kBf16:
      break;
  }
  return "bf16";
}

absl::StatusOr<spec::Precision> ResolvePrecision(const spec::TrainingPlan& plan,
                                                 const c10::Device& device) {
  switch (plan.precision) {
    case spec::Precision::kFp32:
      return spec::Precision::kFp32;
    case spec::Precision::kAuto:
      // Small dense layers gain nothing.
      return plan.model.family != spec::ModelPlan::Family::kMlp && MultipliesBf16(device)
                 ? spec::Precision::kBf16
                 : spec::Precision::kFp32;
    case spec::Precision::kBf16:
      break;
  }
  if (!MultipliesBf16(device)) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "INVALID_EXPERIMENT",
        "train.precision is bf16, but " + device.str() + " (" + InstructionSet() +
            ") can only emulate it, slower than fp32; say train.precision: auto");
  }
  return spec::Precision::kBf16;
}

}  // namespace skytrain::training
