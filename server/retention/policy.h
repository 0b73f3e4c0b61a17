#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace skytrain {

// How long things are kept (keys `retention.*`). The defaults keep everything but old checkpoints.
struct RetentionPolicy {
  absl::Duration jobs = absl::InfiniteDuration();  // A finished job, from its end.
  absl::Duration logs = absl::InfiniteDuration();  // Its events but the last ones, from its end.
  int checkpoints = 1;                             // Of a finished job, besides the best one.
  // What clients sent, whole or not, from its last use; a blob that a job still needs stays.
  absl::Duration uploads = absl::InfiniteDuration();
  int64_t cache_bytes = 0;  // Of decoded data sets; 0: no bound.
};

// Below: what is to be removed, as pure functions of what there is.

bool IsOlder(absl::Time since, absl::Duration keep, absl::Time now);

struct CheckpointFolder {
  int attempt = 0;
  int64_t step = 0;
  bool best = false;
  std::string path;
  int64_t bytes = 0;
};
// Of the checkpoints of one job all but the `keep` newest and the best. Newer is a later attempt,
// then a greater step.
std::vector<CheckpointFolder> SurplusCheckpoints(std::vector<CheckpointFolder> checkpoints,
                                                 int keep);

struct CacheEntry {
  std::string path;
  int64_t bytes = 0;
  absl::Time last_use;
};
// The entries used longest ago, until the rest has at most `max_bytes`.
std::vector<CacheEntry> SurplusCache(std::vector<CacheEntry> entries, int64_t max_bytes);

// The uid in "UID-NUMBER", the name of an attempt's folder; empty: it is none.
std::string UidOfAttemptFolder(const std::string& name);

}  // namespace skytrain
