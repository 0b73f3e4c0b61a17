#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/render/terminal.h"
#include "skytrain/v1/event.pb.h"

namespace skytrain::client {

// A running job as people see it: fold of its events. Pure: no clock, no output.
class RunView {
 public:
  explicit RunView(Terminal terminal) : terminal_(terminal) {}

  // Takes the next event; gives the lines that stay on the screen because of it (whole lines, often
  // none). Off a terminal that includes one line for each epoch.
  std::string Apply(const v1::Event& event);

  // What is drawn again and again: the epoch's bar with the newest numbers, and the validation
  // curve. Empty when nothing runs.
  std::vector<std::string> Live() const;

 private:
  std::string TakeMetrics(const v1::MetricBatch& batch);
  std::string TakeProgress(const v1::Progress& progress);
  std::string TakeState(const v1::StateChange& change);
  std::string EpochLine();
  std::string Numbers(bool live) const;

  const Terminal terminal_;
  v1::JobState state_ = v1::JOB_STATE_UNSPECIFIED;
  v1::Progress progress_;
  int epochs_ = 0;
  std::map<std::string, double> newest_;
  std::vector<double> curve_;  // val/accuracy, else val/loss.
  std::string curve_name_;
  uint32_t open_epoch_ = 0;  // Has validation metrics that no line has told yet.
};

// "━━━━━━╺━━━" of `width` cells, `part` (0 … 1) of them done.
std::string ProgressBar(double part, int width, const Terminal& terminal);

}  // namespace skytrain::client
