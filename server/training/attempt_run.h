#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/attempt/attempt_dir.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "server/training/loop/event_sink.h"
#include "server/training/loop/run_control.h"
#include "skytrain/internal/v1/attempt.pb.h"
#include "skytrain/internal/v1/record.pb.h"

namespace skytrain::training {

struct AttemptContext {
  FileSystem& fs;
  Clock& clock;
  const AttemptDir& dir;
  const internal::v1::AttemptSpec& spec;
  int rank = 0;
  EventSink& sink;
  RunControl& control;
};

// Opens the GPU plug-in where `spec` has a GPU, else sets the allocator up for the CPU. First of
// all: before any other call of LibTorch.
absl::Status PrepareDevice(const internal::v1::AttemptSpec& spec);

// What this rank is and where it starts from; sets the number of threads.
internal::v1::RankStarted DescribeRank(const AttemptContext& context);

// Does the whole work of an attempt, training or evaluation, and says how it ended. No exception
// leaves it: LibTorch's are turned into ends here.
internal::v1::RankResult RunAttempt(const AttemptContext& context);

// How an attempt ends that failed with `status`.
internal::v1::RankResult ResultOf(int rank, const absl::Status& status);

}  // namespace skytrain::training
