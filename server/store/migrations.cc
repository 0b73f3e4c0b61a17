#include "server/store/migrations.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr Migration kMigrations[] = {
    {1, R"sql(
CREATE TABLE jobs (
  uid         TEXT PRIMARY KEY,        -- sorts by creation time
  id          TEXT NOT NULL UNIQUE,
  owner       TEXT NOT NULL,
  state       INTEGER NOT NULL,        -- skytrain.v1.JobState
  last_seq    INTEGER NOT NULL,
  snapshot    BLOB NOT NULL            -- skytrain.v1.Job without spec and attempts
) WITHOUT ROWID;
CREATE INDEX jobs_by_state ON jobs (state);

-- Apart from `jobs`, whose rows are rewritten with every batch of events.
CREATE TABLE job_specs (
  uid         TEXT PRIMARY KEY,
  spec        BLOB NOT NULL            -- skytrain.v1.Job with nothing but its spec
) WITHOUT ROWID;

CREATE TABLE attempts (
  job_uid     TEXT NOT NULL,
  number      INTEGER NOT NULL,
  attempt     BLOB NOT NULL,           -- skytrain.v1.Attempt
  rank_result BLOB NOT NULL,           -- skytrain.internal.v1.RankResult, once rank 0 wrote it
  PRIMARY KEY (job_uid, number)
) WITHOUT ROWID;

CREATE TABLE event_batches (
  job_uid     TEXT NOT NULL,
  first_seq   INTEGER NOT NULL,
  count       INTEGER NOT NULL,
  crc32c      INTEGER NOT NULL,        -- masked, of `events`
  events      BLOB NOT NULL,           -- skytrain.v1.WatchEventsResponse with nothing but events
  PRIMARY KEY (job_uid, first_seq)
) WITHOUT ROWID;

-- How far each spool has become events.
CREATE TABLE spool_offsets (
  job_uid     TEXT NOT NULL,
  number      INTEGER NOT NULL,        -- of the attempt
  file        TEXT NOT NULL,
  offset      INTEGER NOT NULL,
  PRIMARY KEY (job_uid, number, file)
) WITHOUT ROWID;

-- Kept when the job is deleted, so that a late retry of its request makes no second one.
CREATE TABLE requests (
  owner       TEXT NOT NULL,
  request_id  TEXT NOT NULL,
  payload     TEXT NOT NULL,           -- SHA-256 of the request
  job_uid     TEXT NOT NULL,
  PRIMARY KEY (owner, request_id)
) WITHOUT ROWID;

CREATE TABLE models (
  model       TEXT NOT NULL,
  version     INTEGER NOT NULL,
  job_uid     TEXT NOT NULL UNIQUE,    -- a job publishes once
  owner       TEXT NOT NULL,
  create_time INTEGER NOT NULL,        -- microseconds since 1970
  proto       BLOB NOT NULL,           -- skytrain.v1.Model
  PRIMARY KEY (model, version)
) WITHOUT ROWID;
CREATE INDEX models_by_time ON models (create_time);
)sql"},
    {2, R"sql(
-- Checksums of rows, as row_crc.h makes them; NULL in rows that version 1 wrote.
ALTER TABLE jobs          ADD COLUMN crc32c INTEGER;  -- of uid, state, last_seq, snapshot
ALTER TABLE job_specs     ADD COLUMN crc32c INTEGER;
ALTER TABLE attempts      ADD COLUMN crc32c INTEGER;
ALTER TABLE spool_offsets ADD COLUMN crc32c INTEGER;
ALTER TABLE requests      ADD COLUMN crc32c INTEGER;
ALTER TABLE models        ADD COLUMN crc32c INTEGER;

CREATE INDEX jobs_by_owner ON jobs (owner, uid);

-- Where retention has cut a job's events off; no row: all are there.
CREATE TABLE event_floors (
  job_uid     TEXT PRIMARY KEY,
  first_seq   INTEGER NOT NULL         -- the oldest that is left
) WITHOUT ROWID;

-- Device time that each owner used, with a half-life: what fair share goes by.
CREATE TABLE owner_usage (
  owner       TEXT PRIMARY KEY,
  seconds     REAL NOT NULL,           -- of one device, decayed to `time`
  time        INTEGER NOT NULL         -- seconds since 1970
) WITHOUT ROWID;

-- How fast jobs of this node were, for estimates.
CREATE TABLE device_speeds (
  kind        TEXT PRIMARY KEY,        -- "cpu", "gpu"
  flops       REAL NOT NULL            -- per second and device, in training
) WITHOUT ROWID;
-- Floating point operations of one forward pass of the job's model; 0: unknown.
ALTER TABLE job_specs ADD COLUMN flops REAL NOT NULL DEFAULT 0;

-- What clients sent.
CREATE TABLE blobs (
  sha256      TEXT PRIMARY KEY,
  size        INTEGER NOT NULL,
  create_time INTEGER NOT NULL,        -- seconds since 1970
  use_time    INTEGER NOT NULL         -- of the last job that used it
) WITHOUT ROWID;
-- Everybody who sent it: may read it, and has it counted against their quota.
CREATE TABLE blob_owners (
  owner       TEXT NOT NULL,
  sha256      TEXT NOT NULL,
  PRIMARY KEY (owner, sha256)
) WITHOUT ROWID;
)sql"},
    {3, R"sql(
-- What hooks still have to be told: written together with the state change, removed when it is
-- delivered or given up. Ids are never used again, so that whoever read up to one misses none.
CREATE TABLE hook_deliveries (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  hook        TEXT NOT NULL,           -- its name in the configuration
  job_uid     TEXT NOT NULL,           -- the job may be deleted meanwhile
  job_id      TEXT NOT NULL,
  seq         INTEGER NOT NULL,        -- of the event of the state change
  create_time INTEGER NOT NULL,        -- seconds since 1970
  payload     BLOB NOT NULL,           -- JSON, as it is sent
  crc32c      INTEGER NOT NULL         -- as row_crc.h makes it
);
)sql"},
    {4, R"sql(
-- Names for data sets. Two owners may use the same one.
CREATE TABLE datasets (
  owner       TEXT NOT NULL,
  name        TEXT NOT NULL,           -- without "datasets/"
  create_time INTEGER NOT NULL,        -- microseconds since 1970
  proto       BLOB NOT NULL,           -- skytrain.v1.Dataset
  crc32c      INTEGER NOT NULL,        -- as row_crc.h makes it
  PRIMARY KEY (owner, name)
) WITHOUT ROWID;

-- Names for versions of models, moved at will; they go with the version.
CREATE TABLE model_aliases (
  model       TEXT NOT NULL,
  alias       TEXT NOT NULL,
  version     INTEGER NOT NULL,
  crc32c      INTEGER NOT NULL,        -- as row_crc.h makes it
  PRIMARY KEY (model, alias)
) WITHOUT ROWID;

-- The highest version of a model that was deleted: no number is used twice.
CREATE TABLE model_floors (
  model       TEXT PRIMARY KEY,
  version     INTEGER NOT NULL
) WITHOUT ROWID;
)sql"},
};

absl::StatusOr<int64_t> StoredVersion(Connection& connection) {
  RETURN_IF_ERROR(connection.Execute(
      "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)"));
  ASSIGN_OR_RETURN(Statement newest, connection.Prepare("SELECT max(version) FROM schema_version"));
  ASSIGN_OR_RETURN(const bool row, newest.Step());
  return row ? newest.Int(0) : 0;
}

absl::Status Apply(Connection& connection, const Migration& migration) {
  RETURN_IF_ERROR(connection.Execute(std::string(migration.sql)));
  ASSIGN_OR_RETURN(Statement mark,
                   connection.Prepare("INSERT INTO schema_version (version) VALUES (?1)"));
  RETURN_IF_ERROR(mark.Bind(1, migration.version).Run());
  return absl::OkStatus();
}

}  // namespace

absl::Span<const Migration> Migrations() { return kMigrations; }

absl::Status Migrate(Connection& connection, absl::Span<const Migration> migrations) {
  ASSIGN_OR_RETURN(const int64_t stored, StoredVersion(connection));
  const int64_t known = migrations.empty() ? 0 : migrations.back().version;
  if (stored > known) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "STORE_TOO_NEW",
        absl::StrCat("the database has schema version ", stored, ", this skytraind knows ", known,
                     ": it was written by a newer skytrain. Start that version, or give this one "
                     "another state_dir."));
  }
  for (const Migration& migration : migrations) {
    if (migration.version <= stored) continue;
    RETURN_IF_ERROR(connection.Execute("BEGIN IMMEDIATE"));
    absl::Status applied = Apply(connection, migration);
    if (applied.ok()) applied = connection.Execute("COMMIT");
    if (!applied.ok()) {
      connection.Execute("ROLLBACK").IgnoreError();
      return absl::Status(applied.code(), absl::StrCat("schema version ", migration.version, ": ",
                                                       applied.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace skytrain
