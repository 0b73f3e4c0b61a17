#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/hooks/hook.h"
#include "server/store/hook_rows.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain {

// Decides what hooks are told of a state change (see StateOutbox). Thread-safe, never blocks.
class HookOutbox {
 public:
  struct Options {
    std::vector<Hook> hooks;
    // Rows are kept up to about so many bytes of payload, a quarter of what the database sets aside
    // for a full disk: hooks whose receivers are gone can use up neither. Beyond, what comes new is
    // dropped.
    int64_t max_bytes = 16 << 20;
    // Bytes of payload that are stored at present.
    std::function<int64_t()> stored_bytes;
    // `row` is not stored: dropped, nobody will be told. Quick; any thread.
    std::function<void(const HookRow& row)> on_dropped;
    // One line for the daemon's log: when dropping begins, and how many it were when it is over.
    std::function<void(absl::string_view line)> log;
  };
  explicit HookOutbox(Options options) : options_(std::move(options)) {}

  std::vector<HookRow> RowsFor(const v1::Job& job, const v1::Event& change);
  // These were to be stored and could not be.
  void Lose(const std::vector<HookRow>& rows);

 private:
  void Drop(const HookRow& row, absl::string_view why);

  const Options options_;
  std::atomic<int64_t> dropped_{0};  // In a row.
};

}  // namespace skytrain
