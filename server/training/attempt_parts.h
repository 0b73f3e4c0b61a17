#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "google/protobuf/map.h"
#include "server/data/dataset.h"
#include "server/training/attempt_run.h"
#include "server/training/loop/event_sink.h"
#include "skytrain/internal/v1/attempt.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::training {

// What every kind of work of an attempt needs.

// "cpu", or "cuda:N" for the first "gpu:N". Where CUDA_VISIBLE_DEVICES is set, CUDA numbers only
// what it lists.
std::string DeviceOf(const internal::v1::AttemptSpec& spec);

// How to open `source`: cache, roots, threads, and who hears how far the decoding is.
data::OpenOptions DataOptions(const AttemptContext& context, v1::Data source);

// Tells what the data set holds.
absl::Status WriteSummary(EventSink& sink, const data::Dataset& dataset);

std::map<std::string, std::string> DigestsOf(
    const google::protobuf::Map<std::string, std::string>& sha256);

}  // namespace skytrain::training
