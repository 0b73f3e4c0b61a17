#include "server/store/database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/clock.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/store/migrations.h"
#include "server/store/self_check.h"

namespace skytrain {
namespace {

constexpr int64_t kBulkBytesPerCommit = 1 << 20;

[[noreturn]] void DieOfSyncError(const absl::Status& error) {
  std::fprintf(stderr, "skytraind: %s: what is on disk is not known any more, ending\n",
               std::string(error.message()).c_str());
  std::abort();
}

}  // namespace

struct Database::PendingWrite {
  const std::function<absl::Status(Connection&)>* change;
  Priority priority;
  int64_t bytes;
  absl::Status result;
  bool done = false;
};

Database::Database(Options options) : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(Options options) {
  if (!options.on_fatal) options.on_fatal = DieOfSyncError;
  if (!options.log) options.log = [](absl::string_view) {};
  std::unique_ptr<Database> database(new Database(std::move(options)));
  const Options& chosen = database->options_;
  RETURN_IF_ERROR(Connection::CheckFiles(chosen.path));
  ASSIGN_OR_RETURN(database->writer_,
                   Connection::Open(chosen.path, Connection::Mode::kReadWrite, chosen.vfs));
  Connection& writer = *database->writer_;
  absl::Status ready = Migrate(writer, Migrations());
  if (ready.ok()) ready = CheckAndMend(writer, chosen.path, chosen.vfs, chosen.log);
  if (!ready.ok()) {
    writer.LeaveUntouched();
    return ready;
  }
  database->ReserveBallast();
  database->thread_ = std::thread([db = database.get()] { db->WriterLoop(); });
  return database;
}

Database::~Database() {
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  work_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

absl::Status Database::Write(Priority priority,
                             const std::function<absl::Status(Connection&)>& change,
                             int64_t bytes) {
  PendingWrite write{&change, priority, bytes, absl::OkStatus()};
  MutexLock lock(mu_);
  if (stop_) return absl::UnavailableError("the database is closing");
  (priority == Priority::kControl ? control_ : bulk_).push_back(&write);
  work_.NotifyOne();
  while (!write.done) done_.Wait(mu_);
  return write.result;
}

absl::Status Database::Read(const std::function<absl::Status(Connection&)>& query) {
  std::unique_ptr<Connection> connection;
  {
    MutexLock lock(mu_);
    if (!idle_readers_.empty()) {
      connection = std::move(idle_readers_.back());
      idle_readers_.pop_back();
    }
  }
  if (connection == nullptr) {
    ASSIGN_OR_RETURN(connection,
                     Connection::Open(options_.path, Connection::Mode::kReadOnly, options_.vfs));
  }
  RETURN_IF_ERROR(connection->Execute("BEGIN"));
  absl::Status result = query(*connection);
  absl::Status end = connection->Execute("COMMIT");
  if (!end.ok()) return result.ok() ? end : result;  // The connection is dropped.
  MutexLock lock(mu_);
  idle_readers_.push_back(std::move(connection));
  return result;
}

bool Database::IsFull() {
  {
    MutexLock lock(mu_);
    if (!full_) return false;
  }
  return !ReserveBallast();
}

void Database::WriterLoop() {
  while (true) {
    std::vector<PendingWrite*> group = NextGroup();
    if (group.empty()) return;
    const absl::Duration begun = Clock::Real().Monotonic();
    CommitGroup(group);
    if (options_.on_commit) options_.on_commit(Clock::Real().Monotonic() - begun);
    {
      MutexLock lock(mu_);
      for (PendingWrite* write : group) write->done = true;
    }
    done_.NotifyAll();
  }
}

std::vector<Database::PendingWrite*> Database::NextGroup() {
  MutexLock lock(mu_);
  while (control_.empty() && bulk_.empty() && !stop_) work_.Wait(mu_);
  std::vector<PendingWrite*> group(control_.begin(), control_.end());
  control_.clear();
  int64_t bytes = 0;
  while (!bulk_.empty() && (bytes == 0 || bytes + bulk_.front()->bytes <= kBulkBytesPerCommit)) {
    bytes += std::max<int64_t>(1, bulk_.front()->bytes);
    group.push_back(bulk_.front());
    bulk_.pop_front();
  }
  return group;
}

void Database::CommitGroup(std::vector<PendingWrite*> group) {
  // While the ballast is gone, what space there is belongs to control writes.
  const bool full = IsFull();
  if (!full) {
    const absl::Status committed = TryCommit(group);
    if (committed.ok()) return;
    for (PendingWrite* write : group) write->result = committed;
    if (ReasonOf(committed) == "STORE_SYNC_FAILED") return options_.on_fatal(committed);
    if (ReasonOf(committed) != "STORE_FULL" || !ReleaseBallast()) return;
  }
  const auto first_bulk = std::partition(group.begin(), group.end(), [](auto* write) {
    return write->priority == Priority::kControl;
  });
  for (auto write = first_bulk; write != group.end(); ++write) {
    (*write)->result = ErrorWithReason(absl::StatusCode::kResourceExhausted, "STORE_FULL",
                                       "the disk of the state folder is full");
  }
  group.erase(first_bulk, group.end());
  if (group.empty()) return;
  if (const absl::Status committed = TryCommit(group); !committed.ok()) {
    for (PendingWrite* write : group) write->result = committed;
    if (ReasonOf(committed) == "STORE_SYNC_FAILED") options_.on_fatal(committed);
  }
}

absl::Status Database::TryCommit(const std::vector<PendingWrite*>& group) {
  RETURN_IF_ERROR(writer_->Execute("BEGIN IMMEDIATE"));
  absl::Status status;
  for (PendingWrite* write : group) {
    if (status = writer_->Execute("SAVEPOINT change"); !status.ok()) break;
    write->result = (*write->change)(*writer_);
    if (!writer_->InTransaction() || ReasonOf(write->result) == "STORE_FULL") {
      status = write->result;
      break;
    }
    if (!write->result.ok()) {
      if (status = writer_->Execute("ROLLBACK TO change"); !status.ok()) break;
    }
    if (status = writer_->Execute("RELEASE change"); !status.ok()) break;
  }
  if (status.ok()) status = writer_->Execute("COMMIT");
  if (!status.ok() && writer_->InTransaction()) writer_->Execute("ROLLBACK").IgnoreError();
  return status;
}

bool Database::ReserveBallast() {
  if (options_.ballast_path.empty()) return true;
  const int fd = open(options_.ballast_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const bool reserved = fd >= 0 && posix_fallocate(fd, 0, options_.ballast_bytes) == 0;
  if (fd >= 0) close(fd);
  // A part of the ballast would hold the space that control writes need now.
  if (!reserved) unlink(options_.ballast_path.c_str());
  MutexLock lock(mu_);
  full_ = !reserved;
  return reserved;
}

bool Database::ReleaseBallast() {
  if (options_.ballast_path.empty()) return false;
  MutexLock lock(mu_);
  full_ = true;
  return unlink(options_.ballast_path.c_str()) == 0;
}

}  // namespace skytrain
