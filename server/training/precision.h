#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "server/spec/plan.h"

namespace skytrain::training {

// What a run computes in: never kAuto. kAuto becomes bfloat16 for networks of convolutions on a
// device that multiplies bfloat16, else float32. FAILED_PRECONDITION (INVALID_EXPERIMENT) when
// bfloat16 is asked for on a CPU that can only emulate it, which is several times slower than
// float32.
absl::StatusOr<spec::Precision> ResolvePrecision(const spec::TrainingPlan& plan,
                                                 const c10::Device& device);

const char* PrecisionName(spec::Precision precision);  // "auto", "fp32", "bf16"

// What decides which kernels run on this CPU: LibTorch's name of it ("AVX2", "AVX512"), and how it
// multiplies bfloat16: "AVX512_BF16", "AVX512_AMX".
std::string InstructionSet();

// Whether the CPU has AVX-512 BF16 (vdpbf16ps), and LibTorch was not told to stay below AVX-512.
bool HasBf16Arithmetic();
// Whether oneDNN uses AMX tiles for bfloat16 on this CPU.
bool HasAmx();

}  // namespace skytrain::training
