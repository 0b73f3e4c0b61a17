#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/store/connection.h"
#include "server/store/database.h"
#include "skytrain/v1/job.pb.h"
#include "skytrain/v1/job_service.pb.h"

namespace skytrain {

// How fast this node trains, learned from its jobs: floating point operations per second of one
// device, CPU core or GPU. Before the first measurement it is guessed: a core by its vectors, a GPU
// as 5 TFLOP/s, about what small convolutions on small images reach. Thread-safe.
class NodeSpeed {
 public:
  explicit NodeSpeed(Database& database) : database_(database) {}

  // Fills in epoch_seconds and speed_measured of `estimate`, which has flops_per_sample, for a run
  // on so many devices of a kind ("cpu", "gpu").
  void EstimateTime(absl::string_view kind, int devices, v1::Estimate& estimate) const;

  // Takes what `job`, which ran to its end, says of its speed into the mean: each measurement
  // counts for a third. Nothing, where its model is so small that it says nothing about arithmetic,
  // or where its steps were more than a pass forward and back (SAM, Muon).
  absl::Status Learn(const v1::Job& job) const;

 private:
  Database& database_;
};

// What a core's arithmetic works on.
enum class Vectors { kOther, kAvx2, kAvx512, kBf16 };  // kBf16: AVX-512 or AMX with bfloat16.
Vectors DetectVectors();

// The pure parts, for tests.

// Floating point operations per second that a core is taken to reach in training.
double GuessedCoreFlops(Vectors vectors);

// Of one epoch: forward and backward passes over the train split (three times the forward pass),
// forward passes over the validation split, and a fixed time for each step. `flops`: per second, of
// all devices.
double EpochSeconds(const v1::Estimate& estimate, double flops);
// Of all devices, of a run that did so many images per second.
double MeasuredFlops(double flops_per_sample, double images_per_second);

}  // namespace skytrain
