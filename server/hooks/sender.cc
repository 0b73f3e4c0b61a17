#include "server/hooks/sender.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/hooks/payload.h"
#include "server/store/hook_rows.h"

namespace skytrain {
namespace {

constexpr int64_t kRowsAtOnce = 1000;
// Until a database that could not be read is asked again.
constexpr absl::Duration kReadPause = absl::Seconds(1);

}  // namespace

HookSender::HookSender(Options options, std::vector<Receiver> receivers, Database& database,
                       Clock& clock)
    : options_(std::move(options)),
      database_(database),
      clock_(clock),
      cancel_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  for (Receiver& receiver : receivers) {
    auto queue = std::make_unique<Queue>();
    const std::string name = receiver.hook;
    queue->receiver = std::move(receiver);
    queues_[name] = std::move(queue);
  }
}

HookSender::~HookSender() {
  Shutdown();
  close(cancel_fd_);
}

void HookSender::Start() {
  threads_.emplace_back([this] { Feed(); });
  for (auto& [name, queue] : queues_) {
    options_.on_pending(name, 0);
    for (int i = 0; i < options_.at_once; ++i) {
      threads_.emplace_back([this, &queue = *queue] { Serve(queue); });
    }
  }
  Wake();
}

void HookSender::Wake() {
  MutexLock lock(mu_);
  dirty_ = true;
  new_rows_.NotifyOne();
}

void HookSender::Shutdown() {
  {
    MutexLock lock(mu_);
    stop_ = true;
    new_rows_.NotifyAll();
    for (auto& [name, queue] : queues_) queue->changed.NotifyAll();
  }
  eventfd_write(cancel_fd_, 1);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void HookSender::Feed() {
  bool dropped = false;
  while (true) {
    {
      MutexLock lock(mu_);
      while (!dirty_ && !stop_) new_rows_.Wait(mu_);
      if (stop_) return;
      dirty_ = false;
    }
    absl::Status status = dropped ? absl::OkStatus() : DropRows();
    dropped = status.ok();
    status.Update(ReadNewRows());
    if (status.ok()) continue;
    options_.log(absl::StrCat("what hooks are to be told cannot be read: ", status.message()));
    MutexLock lock(mu_);
    dirty_ = true;
    if (!stop_) new_rows_.WaitFor(mu_, absl::ToChronoNanoseconds(kReadPause));
  }
}

absl::Status HookSender::DropRows() {
  std::vector<std::pair<std::string, int64_t>> dropped;
  RETURN_IF_ERROR(
      database_.Write(Database::Priority::kControl, [&](Connection& connection) -> absl::Status {
        dropped.clear();  // On a disk that is just full this runs twice.
        ASSIGN_OR_RETURN(const std::vector<std::string> hooks, HooksWithRows(connection));
        for (const std::string& hook : hooks) {
          if (queues_.contains(hook)) continue;
          ASSIGN_OR_RETURN(const int64_t rows, DeleteRowsOfHook(connection, hook));
          dropped.emplace_back(hook, rows);
        }
        return absl::OkStatus();
      }));
  for (const auto& [hook, rows] : dropped) {
    options_.log(absl::StrCat("hook '", hook, "' is no longer configured: ", rows,
                              " notifications that waited for it are dropped"));
  }
  return absl::OkStatus();
}

absl::Status HookSender::ReadNewRows() {
  while (true) {
    std::vector<HookRowHead> heads;
    RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(heads, ListHookRows(connection, last_id_, kRowsAtOnce));
      return absl::OkStatus();
    }));
    if (heads.empty()) return absl::OkStatus();
    last_id_ = heads.back().id;
    MutexLock lock(mu_);
    for (const HookRowHead& head : heads) {
      const auto found = queues_.find(head.hook);
      if (found == queues_.end()) continue;  // Could not be dropped yet.
      Queue& queue = *found->second;
      const auto [lane, is_new] = queue.lanes.try_emplace(head.job_uid);
      lane->second.items.push_back({head.id, head.bytes});
      stored_bytes_ += head.bytes;
      options_.on_pending(head.hook, ++queue.pending);
      if (!is_new) continue;
      queue.due.emplace(clock_.Monotonic(), head.job_uid);
      queue.changed.NotifyOne();
    }
  }
}

void HookSender::Serve(Queue& queue) {
  while (const std::optional<Work> work = Next(queue)) PutBack(queue, *work, Do(queue, *work));
}

std::optional<HookSender::Work> HookSender::Next(Queue& queue) {
  MutexLock lock(mu_);
  while (!stop_) {
    if (queue.due.empty()) {
      queue.changed.Wait(mu_);
      continue;
    }
    const auto [when, uid] = *queue.due.begin();
    if (const absl::Duration wait = when - clock_.Monotonic(); wait > absl::ZeroDuration()) {
      queue.changed.WaitFor(mu_, absl::ToChronoNanoseconds(wait));
      continue;
    }
    queue.due.erase(queue.due.begin());
    const Lane& lane = queue.lanes.at(uid);
    return Work{uid, lane.items.front().id, lane.failures, lane.over, lane.last_error};
  }
  return std::nullopt;
}

HookSender::Result HookSender::Do(Queue& queue, const Work& work) {
  Result result = work.over ? Result{.over = true} : Try(queue, work);
  if (!result.over) return result;
  const absl::Status removed =
      database_.Write(Database::Priority::kControl,
                      [&](Connection& connection) { return DeleteHookRow(connection, work.id); });
  result.removed = removed.ok();
  if (!removed.ok()) {
    options_.log(absl::StrCat("what a hook was told cannot be removed: ", removed.message()));
    result.pause = Pause(work.failures + 1, removed);
  }
  return result;
}

HookSender::Result HookSender::Try(Queue& queue, const Work& work) {
  HookReport report;
  report.hook = queue.receiver.hook;
  report.tries = work.failures + 1;
  report.outcome = HookReport::Outcome::kGivenUp;
  std::optional<HookRow> row;
  const absl::Status read = database_.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, FindHookRow(connection, work.id));
    return absl::OkStatus();
  });
  if (ReasonOf(read) == "STORE_CORRUPT") {
    report.message = std::string(read.message());
    options_.report(report);
    return {.over = true};
  }
  if (!read.ok()) return {.pause = kReadPause, .error = std::string(read.message())};
  if (!row.has_value()) return {.over = true};
  report.job_id = row->job_id;
  report.delivery = DeliveryId(row->job_uid, row->seq, row->hook);
  const absl::Time expiry = absl::FromUnixSeconds(row->create_time) + queue.receiver.max_age;
  if (clock_.Now() >= expiry) {
    report.tries = work.failures;
    report.message =
        absl::StrCat("not delivered within ", absl::FormatDuration(queue.receiver.max_age),
                     work.last_error.empty() ? "" : "; last: ", work.last_error);
    options_.report(report);
    return {.over = true};
  }
  const absl::Status status = queue.receiver.transport->Deliver(*row, cancel_fd_);
  if (absl::IsCancelled(status)) return {};
  report.message = std::string(status.message());
  if (absl::IsUnavailable(status)) {
    report.outcome = HookReport::Outcome::kFailed;
    // Not beyond the moment when there is no sense in it any more.
    report.pause = std::min(Pause(report.tries, status),
                            std::max(expiry - clock_.Now(), absl::ZeroDuration()));
    options_.report(report);
    return {.pause = report.pause, .error = report.message};
  }
  if (status.ok()) report.outcome = HookReport::Outcome::kDelivered;
  options_.report(report);
  return {.over = true};
}

void HookSender::PutBack(Queue& queue, const Work& work, const Result& result) {
  MutexLock lock(mu_);
  const auto found = queue.lanes.find(work.uid);
  Lane& lane = found->second;
  if (result.removed) {
    stored_bytes_ -= lane.items.front().bytes;
    lane.items.pop_front();
    options_.on_pending(queue.receiver.hook, --queue.pending);
    lane.failures = 0;
    lane.over = false;
    lane.last_error.clear();
  } else {
    ++lane.failures;
    lane.over = result.over;
    lane.last_error = result.error;
  }
  if (lane.items.empty()) {
    queue.lanes.erase(found);
  } else {
    queue.due.emplace(clock_.Monotonic() + result.pause, work.uid);
  }
}

absl::Duration HookSender::Pause(int failures, const absl::Status& error) {
  MutexLock lock(mu_);
  return options_.backoff.Pause(failures, std::uniform_real_distribution<double>(0, 1)(random_),
                                RetryDelayOf(error));
}

}  // namespace skytrain
