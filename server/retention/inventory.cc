#include "server/retention/inventory.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/attempt/attempt_dir.h"
#include "common/status_macros.h"
#include "server/blobs/data_names.h"
#include "server/jobs/checkpoint_finder.h"
#include "server/jobs/job_codec.h"
#include "server/jobs/job_state.h"
#include "server/store/event_rows.h"
#include "server/store/job_rows.h"

namespace skytrain {
namespace {

constexpr char kCacheSuffix[] = ".images";
constexpr absl::string_view kStepPrefix = "step-";
constexpr int kJobsAtOnce = 200;
constexpr int kDeepestTree = 64;

uint64_t TerminalStates() {
  uint64_t states = 0;
  for (int state = v1::JobState_MIN; state <= v1::JobState_MAX; ++state) {
    if (IsTerminal(static_cast<v1::JobState>(state))) states |= uint64_t{1} << state;
  }
  return states;
}

// Calls `visit` for every job in one of `states`, with its attempts, oldest first; one that cannot
// be read is left out.
absl::Status ForEachJob(Database& database, uint64_t states,
                        absl::FunctionRef<void(v1::Job job)> visit) {
  std::string after;
  size_t found = kJobsAtOnce;
  // In portions: a long read transaction would hold up the log's way into the database.
  while (found == kJobsAtOnce) {
    RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const std::vector<JobRow> rows,
                       JobsInStates(connection, states, after, kJobsAtOnce));
      found = rows.size();
      for (const JobRow& row : rows) {
        after = row.uid;
        auto record = LoadJob(connection, row);
        if (record.ok()) visit(std::move(record->job));
      }
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

// The files of one folder.
void AddCacheEntries(FileSystem& fs, const std::string& folder, std::vector<CacheEntry>& entries) {
  for (const std::string& name : fs.ListDir(folder).value_or(std::vector<std::string>())) {
    if (!absl::EndsWith(name, kCacheSuffix)) continue;
    CacheEntry entry;
    entry.path = absl::StrCat(folder, "/", name);
    const auto info = fs.Info(entry.path);
    if (!info.ok() || info->kind != FileInfo::Kind::kFile) continue;
    entry.bytes = static_cast<int64_t>(std::min(info->bytes, info->disk_bytes));
    entry.last_use = info->modified;
    entries.push_back(std::move(entry));
  }
}

std::string AttemptFolder(const std::string& attempts_dir, const v1::Job& job, int number) {
  return absl::StrCat(attempts_dir, "/", job.uid(), "-", number);
}

}  // namespace

absl::StatusOr<std::vector<v1::Job>> FinishedJobs(Database& database) {
  std::vector<v1::Job> jobs;
  RETURN_IF_ERROR(
      ForEachJob(database, TerminalStates(), [&](v1::Job job) { jobs.push_back(std::move(job)); }));
  return jobs;
}

absl::StatusOr<absl::flat_hash_set<std::string>> BlobsOfLiveJobs(Database& database) {
  absl::flat_hash_set<std::string> blobs;
  RETURN_IF_ERROR(ForEachJob(database, LiveStates(), [&](const v1::Job& job) {
    const v1::Data& data = job.has_evaluation() ? job.evaluation().data() : job.experiment().data();
    for (std::string& name : BlobNamesOf(data)) blobs.insert(std::move(name));
  }));
  return blobs;
}

int64_t TreeBytes(FileSystem& fs, const std::string& path) {
  int64_t bytes = 0;
  std::vector<std::pair<std::string, int>> folders = {{path, 0}};
  while (!folders.empty()) {
    const auto [folder, depth] = std::move(folders.back());
    folders.pop_back();
    for (const std::string& name : fs.ListDir(folder).value_or(std::vector<std::string>())) {
      const std::string below = absl::StrCat(folder, "/", name);
      const auto info = fs.Info(below);
      if (!info.ok()) continue;
      if (info->kind == FileInfo::Kind::kFile) bytes += static_cast<int64_t>(info->bytes);
      if (info->kind == FileInfo::Kind::kFolder && depth < kDeepestTree) {
        folders.emplace_back(below, depth + 1);
      }
    }
  }
  return bytes;
}

std::vector<CheckpointFolder> Checkpoints(FileSystem& fs, const std::string& attempts_dir,
                                          const v1::Job& job) {
  std::vector<CheckpointFolder> checkpoints;
  for (const v1::Attempt& attempt : job.attempts()) {
    const std::string folder =
        AttemptDir(fs, AttemptFolder(attempts_dir, job, attempt.number())).CheckpointsPath();
    const auto names = fs.ListDir(folder);
    if (!names.ok()) continue;  // The attempt came to no checkpoint.
    for (const std::string& name : *names) {
      CheckpointFolder checkpoint;
      if (!absl::StartsWith(name, kStepPrefix) ||
          !absl::SimpleAtoi(name.substr(kStepPrefix.size()), &checkpoint.step)) {
        continue;
      }
      checkpoint.attempt = attempt.number();
      checkpoint.path = absl::StrCat(folder, "/", name);
      checkpoints.push_back(std::move(checkpoint));
    }
  }
  if (checkpoints.empty()) return checkpoints;
  // The newest one knows which was the best; of two with that step, the later attempt's.
  const auto newer = [](const auto& a, const auto& b) {
    return std::pair(a.attempt, a.step) < std::pair(b.attempt, b.step);
  };
  std::sort(checkpoints.begin(), checkpoints.end(), newer);
  const std::optional<int64_t> best = BestStep(fs, checkpoints.back().path);
  for (auto checkpoint = checkpoints.rbegin(); checkpoint != checkpoints.rend(); ++checkpoint) {
    if (best != checkpoint->step) continue;
    checkpoint->best = true;
    break;
  }
  return checkpoints;
}

std::vector<CacheEntry> CacheEntries(FileSystem& fs, const std::string& cache_dir) {
  std::vector<CacheEntry> entries;
  AddCacheEntries(fs, cache_dir, entries);
  const auto names = fs.ListDir(cache_dir);
  if (!names.ok()) return entries;  // Nothing was decoded yet.
  for (const std::string& name : *names) {
    const std::string folder = absl::StrCat(cache_dir, "/", name);
    const auto info = fs.Info(folder);
    if (info.ok() && info->kind == FileInfo::Kind::kFolder) AddCacheEntries(fs, folder, entries);
  }
  return entries;
}

absl::StatusOr<std::vector<std::string>> OrphanedAttempts(FileSystem& fs, Database& database,
                                                          const std::string& attempts_dir) {
  // The folders first: a job is stored before its first folder is made.
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.ListDir(attempts_dir));
  std::vector<std::string> orphans;
  for (const std::string& name : names) {
    const std::string uid = UidOfAttemptFolder(name);
    if (uid.empty()) continue;
    bool known = true;
    RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(const auto row, FindJobByUid(connection, uid));
      known = row.has_value();
      return absl::OkStatus();
    }));
    if (!known) orphans.push_back(absl::StrCat(attempts_dir, "/", name));
  }
  return orphans;
}

absl::StatusOr<std::vector<SpoolTail>> SpoolTails(FileSystem& fs, Database& database,
                                                  const std::string& attempts_dir,
                                                  const v1::Job& job) {
  std::vector<SpoolTail> tails;
  for (const v1::Attempt& attempt : job.attempts()) {
    const AttemptDir dir(fs, AttemptFolder(attempts_dir, job, attempt.number()));
    const auto spools = dir.Spools();
    if (!spools.ok()) continue;  // The folder was removed by hand.
    const auto left = dir.NoProcessLeft();
    if (!left.ok() || !*left) continue;
    std::vector<SpoolOffset> offsets;
    RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(offsets, SpoolOffsets(connection, job.uid(), attempt.number()));
      return absl::OkStatus();
    }));
    for (const auto& [file, size] : *spools) {
      // clang 14 captures no structured bindings.
      const auto stored =
          std::find_if(offsets.begin(), offsets.end(),
                       [&name = file](const auto& offset) { return offset.file == name; });
      if (stored != offsets.end() && stored->damaged) continue;
      const uint64_t end = stored == offsets.end() ? 0 : stored->offset;
      if (size <= end) continue;
      tails.push_back({attempt.number(), file, absl::StrCat(dir.path(), "/", file),
                       static_cast<int64_t>(end), static_cast<int64_t>(size - end)});
    }
  }
  return tails;
}

absl::StatusOr<OldEvents> EventsBeforeTheLast(Database& database, const std::string& job_uid) {
  OldEvents old;
  RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(old.below_seq, NewestBatch(connection, job_uid));
    ASSIGN_OR_RETURN(old.bytes, EventBytesBelow(connection, job_uid, old.below_seq));
    return absl::OkStatus();
  }));
  return old;
}

}  // namespace skytrain
