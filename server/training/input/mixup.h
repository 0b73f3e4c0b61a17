#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace skytrain::training {

// The share that a sample keeps of itself in batch `batch` of `epoch`, 0.5 to 1, when each is mixed
// with its partner: a draw from Beta(alpha, alpha), or one minus it where that is more. Partners
// mix both ways, so this leaves the mixtures as they are, and a sample's own label is the heavier
// one. A pure function of its arguments. Zhang et al. 2018, arXiv:1710.09412.
double DrawMixShare(double alpha, uint64_t seed, uint64_t epoch, uint64_t batch);

// Mixes the `count` samples in `values`, in place: sample i becomes share * (sample i) +
// (1 - share) * (sample count - 1 - i). Which samples share a batch is random already.
void MixSamples(double share, int64_t count, absl::Span<float> values);

}  // namespace skytrain::training
