#include "server/hooks/outbox.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/hooks/payload.h"

namespace skytrain {

std::vector<HookRow> HookOutbox::RowsFor(const v1::Job& job, const v1::Event& change) {
  std::vector<HookRow> rows;
  for (const Hook& hook : options_.hooks) {
    if (!hook.Wants(job, change.state())) continue;
    HookRow row = MakeHookRow(hook.name, job, change);
    if (options_.stored_bytes() + static_cast<int64_t>(row.payload.size()) > options_.max_bytes) {
      Drop(row, absl::StrCat("more than ", options_.max_bytes >> 20, " MiB wait for receivers"));
      continue;
    }
    rows.push_back(std::move(row));
  }
  if (!rows.empty()) {
    if (const int64_t dropped = dropped_.exchange(0); dropped > 0) {
      options_.log(absl::StrCat("notifications are stored again; ", dropped, " were dropped"));
    }
  }
  return rows;
}

void HookOutbox::Lose(const std::vector<HookRow>& rows) {
  for (const HookRow& row : rows) Drop(row, "the disk of the state folder is full");
}

void HookOutbox::Drop(const HookRow& row, absl::string_view why) {
  if (dropped_.fetch_add(1) == 0) {
    options_.log(absl::StrCat("notifications are dropped, the first for hook '", row.hook,
                              "' and job '", row.job_id, "': ", why));
  }
  options_.on_dropped(row);
}

}  // namespace skytrain
