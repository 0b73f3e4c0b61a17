#include "server/jobs/lost_and_found.h"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/attempt/attempt_dir.h"
#include "common/status_macros.h"
#include "common/timestamp.h"
#include "server/store/event_rows.h"
#include "server/store/job_rows.h"

namespace skytrain {
namespace {

absl::Status MakeDir(FileSystem& fs, const std::string& path) {
  return fs.Exists(path) ? absl::OkStatus() : fs.CreateDir(path);
}

// Names of the folders of the job's attempts below attempts_dir.
absl::StatusOr<std::vector<std::string>> AttemptFolders(const AttemptEnvironment& environment,
                                                        const std::string& uid) {
  ASSIGN_OR_RETURN(const auto names, environment.fs.ListDir(environment.options.attempts_dir));
  std::vector<std::string> folders;
  for (const std::string& name : names) {
    if (absl::StartsWith(name, uid + "-")) folders.push_back(name);
  }
  return folders;
}

// OK: no process of the attempt is left, and none can come.
absl::Status EndAttempt(const AttemptEnvironment& environment, const std::string& path) {
  AttemptDir dir(environment.fs, path);
  internal::v1::Claim claim;
  claim.mutable_abandoned()->set_reason("the job cannot be read");
  *claim.mutable_time() = ToTimestamp(environment.clock.Now());
  if (dir.TryClaim(claim).ok()) return absl::OkStatus();
  const auto over = dir.NoProcessLeft();
  if (!over.ok() || *over) return absl::OkStatus();
  internal::v1::Control control;
  if (const auto before = dir.ReadControl(); before.ok() && before->has_value()) {
    control = **before;
  }
  control.set_generation(control.generation() + 1);
  control.set_want(internal::v1::Control::WANT_STOP);
  control.set_cause(internal::v1::Control::CAUSE_USER);
  RETURN_IF_ERROR(dir.WriteControl(control));
  return absl::FailedPreconditionError(
      absl::StrCat("processes of ", path, " are left; they are asked to stop"));
}

absl::Status WriteRows(FileSystem& fs, const std::string& dir, const absl::Status& why,
                       const JobRow& row, const std::vector<AttemptRow>& attempts) {
  RETURN_IF_ERROR(WriteFileAtomically(
      fs, dir + "/why.txt",
      absl::StrCat(why.message(), "\nuid ", row.uid, "\nid ", row.id, "\nowner ", row.owner,
                   "\nstate ", v1::JobState_Name(static_cast<v1::JobState>(row.state)),
                   "\nlast_seq ", row.last_seq, "\n")));
  RETURN_IF_ERROR(WriteFileAtomically(fs, dir + "/snapshot.binpb", row.snapshot));
  RETURN_IF_ERROR(WriteFileAtomically(fs, dir + "/spec.binpb", row.spec));
  for (const AttemptRow& attempt : attempts) {
    RETURN_IF_ERROR(WriteFileAtomically(
        fs, absl::StrCat(dir, "/attempt-", attempt.number, ".binpb"), attempt.attempt));
    RETURN_IF_ERROR(WriteFileAtomically(
        fs, absl::StrCat(dir, "/rank_result-", attempt.number, ".binpb"), attempt.rank_result));
  }
  return absl::OkStatus();
}

// Batch by batch: there may be gigabytes.
absl::Status WriteEvents(const AttemptEnvironment& environment, const std::string& uid,
                         const std::string& path) {
  FileSystem& fs = environment.fs;
  if (fs.Exists(path)) RETURN_IF_ERROR(fs.Remove(path));  // Of a start that died here.
  ASSIGN_OR_RETURN(const auto file, fs.CreateExclusive(path));
  std::optional<BatchRow> batch;
  int64_t seq = std::numeric_limits<int64_t>::max();
  std::vector<int64_t> firsts;  // Newest first, as the store finds them.
  do {
    RETURN_IF_ERROR(environment.database.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(batch, FindBatch(connection, uid, seq));
      return absl::OkStatus();
    }));
    if (batch.has_value()) firsts.push_back(batch->first_seq);
    seq = batch.has_value() ? batch->first_seq - 1 : 0;
  } while (batch.has_value() && seq > 0);
  for (auto first = firsts.rbegin(); first != firsts.rend(); ++first) {
    RETURN_IF_ERROR(environment.database.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(batch, FindBatch(connection, uid, *first));
      return absl::OkStatus();
    }));
    if (batch.has_value()) RETURN_IF_ERROR(file->Append(batch->events));
  }
  RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

}  // namespace

absl::Status SetAside(const AttemptEnvironment& environment, const std::string& uid,
                      const absl::Status& why) {
  FileSystem& fs = environment.fs;
  const std::string& attempts_dir = environment.options.attempts_dir;
  ASSIGN_OR_RETURN(const std::vector<std::string> folders, AttemptFolders(environment, uid));
  for (const std::string& name : folders) {
    RETURN_IF_ERROR(EndAttempt(environment, absl::StrCat(attempts_dir, "/", name)));
  }
  std::optional<JobRow> row;
  std::vector<AttemptRow> attempts;
  RETURN_IF_ERROR(environment.database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, FindJobByUid(connection, uid));
    ASSIGN_OR_RETURN(attempts, ListAttempts(connection, uid));
    return absl::OkStatus();
  }));
  if (!row.has_value()) return absl::OkStatus();
  const std::string& lost = environment.options.lost_and_found_dir;
  const std::string dir = absl::StrCat(lost, "/", uid);
  RETURN_IF_ERROR(MakeDir(fs, lost));
  RETURN_IF_ERROR(fs.SyncDir(ParentOf(lost)));
  RETURN_IF_ERROR(MakeDir(fs, dir));
  RETURN_IF_ERROR(fs.SyncDir(lost));
  RETURN_IF_ERROR(WriteRows(fs, dir, why, *row, attempts));
  RETURN_IF_ERROR(WriteEvents(environment, uid, dir + "/events.binpb"));
  for (const std::string& name : folders) {
    // Another file system: then they stay where they are, where no other job looks either.
    const absl::Status moved =
        fs.Rename(absl::StrCat(attempts_dir, "/", name), absl::StrCat(dir, "/", name));
    if (!moved.ok()) environment.Log(absl::StrCat("left in place: ", moved.message()));
  }
  RETURN_IF_ERROR(fs.SyncDir(dir));
  return environment.database.Write(
      Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
        RETURN_IF_ERROR(DeleteJob(connection, uid));
        return DeleteBatches(connection, uid, std::numeric_limits<int64_t>::max()).status();
      });
}

}  // namespace skytrain
