#include "client/render/job_table.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/render/format.h"
#include "client/render/job_text.h"
#include "client/render/table.h"
#include "common/timestamp.h"

namespace skytrain::client {
namespace {

// The number that says most about a run.
std::string HeadMetric(const v1::Job& job) {
  constexpr std::pair<const char*, const char*> kChoice[] = {
      {"test/accuracy", "test acc"}, {"test/rmse", "test rmse"}, {"val/accuracy", "val acc"},
      {"val/rmse", "val rmse"},      {"val/loss", "val loss"},   {"train/loss", "train loss"}};
  for (const auto& [name, label] : kChoice) {
    const auto found = job.metrics().find(name);
    if (found != job.metrics().end()) {
      return absl::StrCat(label, " ", absl::StrFormat("%.3f", found->second));
    }
  }
  return "–";
}

int64_t TotalBytes(const v1::Model& model) {
  int64_t bytes = 0;
  for (const v1::ModelFile& file : model.files()) bytes += file.size_bytes();
  return bytes;
}

std::string TestResult(const v1::Model& model) {
  for (const v1::EvaluationReport& report : model.reports()) {
    if (report.split() != "test") continue;
    if (report.classes_size() > 0) return absl::StrFormat("%.3f", report.accuracy());
    for (const auto& measure : report.measures()) {
      if (measure.name() == "rmse") return absl::StrFormat("rmse %.3g", measure.value());
    }
  }
  return "–";
}

std::string Age(const google::protobuf::Timestamp& since, absl::Time now) {
  return since.seconds() == 0 ? "–" : FormatAge(now - ToTime(since));
}

std::string HolderOf(const v1::Device& device) {
  if (!device.job().empty()) return ShortName(device.job());
  return device.unavailable().empty() ? "free" : Printable(device.unavailable());
}

}  // namespace

std::string JobTable(const std::vector<v1::Job>& jobs, absl::Time now, const Terminal& terminal) {
  Table table({{"JOB"}, {"STATE"}, {"PROGRESS"}, {"METRIC"}, {"OWNER"}, {"AGE"}});
  for (const v1::Job& job : jobs) {
    std::string progress = ProgressText(job);
    if (job.state() == v1::QUEUED && job.queue_position() > 0) {
      progress = absl::StrCat("position ", job.queue_position());
    }
    table.AddRow({ShortName(job.name()), v1::JobState_Name(job.state()), progress, HeadMetric(job),
                  Printable(job.owner()), Age(job.create_time(), now)});
  }
  return table.Render(terminal.width);
}

std::string ModelTable(const std::vector<v1::Model>& models, absl::Time now,
                       const Terminal& terminal) {
  Table table({{"MODEL"},
               {"FAMILY"},
               {"CLASSES", Table::Align::kRight},
               {"TEST", Table::Align::kRight},
               {"SIZE", Table::Align::kRight},
               {"OWNER"},
               {"AGE"}});
  for (const v1::Model& model : models) {
    table.AddRow({ShortName(model.name()), Printable(model.family()),
                  absl::StrCat(model.classes_size()), TestResult(model),
                  FormatBytes(TotalBytes(model)), Printable(model.owner()),
                  Age(model.create_time(), now)});
  }
  return table.Render(terminal.width);
}

std::string QueueTable(const v1::GetQueueResponse& queue, absl::Time now,
                       const Terminal& terminal) {
  if (queue.entries().empty()) return "nothing waits\n";
  Table table({{"JOB"}, {"OWNER"}, {"PRIORITY", Table::Align::kRight}, {"WHY"}, {"STARTS"}});
  for (const v1::QueueEntry& entry : queue.entries()) {
    table.AddRow({entry.job().empty() ? "–" : ShortName(entry.job()),
                  entry.owner().empty() ? "–" : Printable(entry.owner()),
                  absl::StrCat(entry.priority()), Printable(entry.reason()),
                  entry.has_expected_start_time()
                      ? StartText(ToTime(entry.expected_start_time()), now)
                      : "–"});
  }
  return table.Render(terminal.width);
}

std::string DeviceTable(const v1::ListDevicesResponse& devices, const Terminal& terminal) {
  Table table({{"DEVICE"}, {"MODEL"}, {"MEMORY", Table::Align::kRight}, {"JOB"}});
  for (const v1::Device& device : devices.devices()) {
    table.AddRow({device.name(), Printable(device.model()),
                  device.memory_bytes() > 0 ? FormatBytes(device.memory_bytes()) : "–",
                  HolderOf(device)});
  }
  return table.Render(terminal.width);
}

}  // namespace skytrain::client
