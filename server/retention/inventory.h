#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/file/file_system.h"
#include "server/retention/policy.h"
#include "server/store/database.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// What there is to look at. Reads only.

// Every job that is over, with its attempts, oldest first. One that cannot be read is left out.
absl::StatusOr<std::vector<v1::Job>> FinishedJobs(Database& database);

// Bytes of all files below `path`; what cannot be read counts nothing.
int64_t TreeBytes(FileSystem& fs, const std::string& path);

// The finished checkpoint folders of all attempts of a job.
std::vector<CheckpointFolder> Checkpoints(FileSystem& fs, const std::string& attempts_dir,
                                          const v1::Job& job);

// Names of the blobs that jobs which are not over have as data. One that cannot be read is left
// out.
absl::StatusOr<absl::flat_hash_set<std::string>> BlobsOfLiveJobs(Database& database);

// Files of decoded data sets, in `cache_dir` and in the folders of users in it.
std::vector<CacheEntry> CacheEntries(FileSystem& fs, const std::string& cache_dir);

// Folders of attempts whose job is not in the database.
absl::StatusOr<std::vector<std::string>> OrphanedAttempts(FileSystem& fs, Database& database,
                                                          const std::string& attempts_dir);

// A spool that is longer than what was made of it.
struct SpoolTail {
  int attempt = 0;
  std::string file;
  std::string path;
  int64_t end = 0;    // Of what became events.
  int64_t bytes = 0;  // Behind it.
};
absl::StatusOr<std::vector<SpoolTail>> SpoolTails(FileSystem& fs, Database& database,
                                                  const std::string& attempts_dir,
                                                  const v1::Job& job);

// Events of a job that could be removed so that its last ones stay.
struct OldEvents {
  int64_t below_seq = 1;  // The first seq that stays.
  int64_t bytes = 0;
};
absl::StatusOr<OldEvents> EventsBeforeTheLast(Database& database, const std::string& job_uid);

}  // namespace skytrain
