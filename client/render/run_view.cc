#include "client/render/run_view.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/render/format.h"
#include "client/render/job_text.h"
#include "client/render/plot.h"
#include "client/render/report.h"

namespace skytrain::client {
namespace {

constexpr int kBarWidth = 30;
constexpr int kMinBarWidth = 5;  // A narrower one says nothing.
constexpr int kCurveWidth = 40;

}  // namespace

std::string RunView::Apply(const v1::Event& event) {
  switch (event.kind_case()) {
    case v1::Event::kMetrics:
      return TakeMetrics(event.metrics());
    case v1::Event::kProgress:
      return TakeProgress(event.progress());
    case v1::Event::kState:
      return absl::StrCat(EpochLine(), TakeState(event.state()));
    case v1::Event::kCheckpoint:
      return EpochLine();
    case v1::Event::kReport:
      return absl::StrCat(EpochLine(), ReportLine(event.report()), "\n");
    case v1::Event::kGap:
      return absl::StrCat("lost: ", Plural(event.gap().records(), "record"), " (",
                          Printable(event.gap().reason()), ")\n");
    case v1::Event::kModel:
      return absl::StrCat("model ", ShortName(event.model().name()), "  ",
                          FormatBytes(event.model().size_bytes()), "\n");
    case v1::Event::kFiles: {
      std::vector<std::string> files;
      for (const v1::JobFile& file : event.files().files()) {
        files.push_back(absl::StrCat(Printable(file.name()), "  ", FormatBytes(file.size_bytes())));
      }
      return absl::StrCat("wrote ", absl::StrJoin(files, ", "), "\n");
    }
    case v1::Event::kData: {
      const v1::DataSummary& data = event.data();
      std::string line = absl::StrCat(
          "data: ", SplitsText(data.train(), data.validation(), data.test(), data.classes_size()));
      if (data.noisy_labels() > 0) {
        absl::StrAppend(&line, "; ", FormatCount(data.noisy_labels()),
                        " labels changed by label_noise");
      }
      if (data.skipped() > 0) {
        absl::StrAppend(&line, "; ", FormatCount(data.skipped()), " skipped (",
                        Printable(absl::StrJoin(data.skipped_names(), ", ")), ")");
      }
      if (data.leaked() > 0) absl::StrAppend(&line, "\nwarning: ", LeakText(data));
      return absl::StrCat(line, "\n");
    }
    default:
      return "";
  }
}

std::string RunView::TakeMetrics(const v1::MetricBatch& batch) {
  std::string lines;
  const int points = std::min({batch.value_size(), batch.name_size(), batch.epoch_size()});
  for (int i = 0; i < points; ++i) {
    if (batch.name(i) >= static_cast<uint32_t>(batch.names_size())) continue;
    const std::string& name = batch.names(batch.name(i));
    if (open_epoch_ > 0 && batch.epoch(i) > open_epoch_) lines += EpochLine();
    newest_[name] = batch.value(i);
    if (absl::StartsWith(name, "val/")) open_epoch_ = batch.epoch(i);
    if (name == "val/accuracy" && curve_name_ != name) {
      curve_name_ = name;
      curve_.clear();
    } else if (name == "val/loss" && curve_name_.empty()) {
      curve_name_ = name;
    }
    if (name == curve_name_) curve_.push_back(batch.value(i));
  }
  return lines;
}

std::string RunView::TakeProgress(const v1::Progress& progress) {
  std::string lines;
  if (open_epoch_ > 0 && progress.epoch() > static_cast<int>(open_epoch_)) lines = EpochLine();
  progress_ = progress;
  epochs_ = std::max(epochs_, progress.epochs());
  return lines;
}

std::string RunView::TakeState(const v1::StateChange& change) {
  state_ = change.to();
  std::string line = absl::AsciiStrToLower(v1::JobState_Name(change.to()));
  if (change.attempt_end() != v1::ATTEMPT_END_UNSPECIFIED &&
      change.attempt_end() != v1::COMPLETED) {
    absl::StrAppend(&line, " after ", v1::AttemptEnd_Name(change.attempt_end()));
  }
  if (!change.message().empty()) absl::StrAppend(&line, "  ", Printable(change.message()));
  return absl::StrCat(line, "\n");
}

std::string RunView::Numbers(bool live) const {
  std::string text;
  const auto add = [&](const char* name, const char* label) {
    const auto found = newest_.find(name);
    if (found == newest_.end()) return;
    absl::StrAppendFormat(&text, "  %s %s", label,
                          std::isfinite(found->second) && std::fabs(found->second) < 1000
                              ? absl::StrFormat("%.3f", found->second)
                              : FormatMetric(found->second));
  };
  add("train/loss", "train loss");
  if (!live)
    add("val/loss", "val loss");  // The line is short, and the curve below it says as much.
  add("val/accuracy", "val acc");
  add("val/balanced_accuracy", "bal");
  add("val/rmse", "val rmse");
  if (progress_.images_per_second() > 0) {
    absl::StrAppend(&text, "  ", FormatCount(std::llround(progress_.images_per_second())),
                    " img/s");
  }
  if (progress_.eta_seconds() >= 1) {
    absl::StrAppend(&text, "  ETA ", FormatSpan(absl::Seconds(progress_.eta_seconds())));
  }
  return text;
}

std::string RunView::EpochLine() {
  if (open_epoch_ == 0) return "";
  const uint32_t epoch = std::exchange(open_epoch_, 0);
  if (terminal_.interactive) return "";
  return absl::StrCat("epoch ", epoch, epochs_ > 0 ? absl::StrCat("/", epochs_) : "",
                      Numbers(/*live=*/false), "\n");
}

std::vector<std::string> RunView::Live() const {
  if (state_ != v1::RUNNING && state_ != v1::STOPPING) return {};
  double part = progress_.total() > 0
                    ? static_cast<double>(progress_.done()) / static_cast<double>(progress_.total())
                    : 0;
  std::string what = Printable(progress_.phase());
  if (progress_.epoch() > 0 && epochs_ > 0) {
    what = absl::StrCat("epoch ", progress_.epoch(), "/", epochs_);
    // Training is nearly all of an epoch: the other phases show it as done.
    const double within = progress_.phase() == "train" ? part : 1;
    part = (progress_.epoch() - 1 + within) / epochs_;
  }
  if (what.empty()) return {};
  // The bar takes what the numbers leave.
  const std::string numbers = Numbers(/*live=*/true);
  const int left = terminal_.width - DisplayWidth(what) - DisplayWidth(numbers) - 2;
  const int bar = terminal_.width == 0 ? kBarWidth : std::min(left, kBarWidth);
  std::vector<std::string> lines = {absl::StrCat(
      what, bar < kMinBarWidth ? "" : " " + ProgressBar(part, bar, terminal_), numbers)};
  if (curve_.size() > 1) {
    lines.push_back(absl::StrCat("  ", curve_name_, "  ", Sparkline(curve_, kCurveWidth)));
  }
  return lines;
}

std::string ProgressBar(double part, int width, const Terminal& terminal) {
  const int done = std::clamp(static_cast<int>(std::lround(part * width)), 0, width);
  std::string full;
  for (int i = 0; i < done; ++i) full += "━";
  std::string rest;
  if (done < width) rest = "╺";
  for (int i = done + 1; i < width; ++i) rest += "━";
  return absl::StrCat(terminal.Green(full), terminal.Dim(rest));
}

}  // namespace skytrain::client
