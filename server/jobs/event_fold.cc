#include "server/jobs/event_fold.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/utf8.h"
#include "common/wire.h"

namespace skytrain {
namespace {

constexpr int kMaxMetrics = 64;
constexpr int kMaxFiles = 16;
constexpr size_t kMaxNameBytes = 256;  // A job is sent in every list: longer names stay out of it.

// The columns of a v1.MetricBatch, not decoded.
struct Columns {
  std::vector<absl::string_view> names;
  absl::string_view name, step, value, epoch;
};

bool ReadColumns(absl::string_view batch, Columns* columns) {
  WireReader reader(batch);
  WireField field;
  while (reader.Next(&field)) {
    // Unpacked columns are legal protobuf, but no writer of ours makes them: they stay out of the
    // fold and in the stream.
    if (field.type != 2) continue;
    switch (field.number) {
      case v1::MetricBatch::kNamesFieldNumber:
        columns->names.push_back(field.bytes);
        break;
      case v1::MetricBatch::kNameFieldNumber:
        columns->name = field.bytes;
        break;
      case v1::MetricBatch::kStepFieldNumber:
        columns->step = field.bytes;
        break;
      case v1::MetricBatch::kValueFieldNumber:
        columns->value = field.bytes;
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

double LastDouble(absl::string_view* column) {
  double value;
  std::memcpy(&value, column->data() + column->size() - sizeof(value), sizeof(value));
  column->remove_suffix(sizeof(value));
  return value;
}

void SetMetric(absl::string_view name, double value, v1::Job& job) {
  if (name.size() > kMaxNameBytes) return;
  auto& metrics = *job.mutable_metrics();
  const std::string key(name);
  if (const auto found = metrics.find(key); found != metrics.end()) {
    found->second = value;
  } else if (static_cast<int>(metrics.size()) < kMaxMetrics) {
    metrics[key] = value;
  }
}

void FoldMetrics(absl::string_view batch, v1::Job& job) {
  Columns columns;
  if (!ReadColumns(batch, &columns)) return;
  uint64_t step = 0;
  if (absl::string_view steps = columns.step; TakeLastVarint(&steps, &step)) {
    job.mutable_progress()->set_step(static_cast<int64_t>(step));
  }
  std::vector<bool> seen(columns.names.size(), false);
  size_t missing = columns.names.size();
  uint64_t name = 0;
  while (missing > 0 && columns.value.size() >= sizeof(double) &&
         TakeLastVarint(&columns.name, &name)) {
    const double value = LastDouble(&columns.value);
    if (name >= seen.size() || seen[name]) continue;
    seen[name] = true;
    --missing;
    SetMetric(columns.names[name], value, job);
  }
}

bool HasOnlyVarints(absl::string_view message) {
  WireReader reader(message);
  WireField field;
  while (reader.Next(&field)) {
    if (field.type != 0) return false;
  }
  return reader.ok();
}

bool IsVarintColumn(absl::string_view column) {
  int length = 0;
  for (const char byte : column) {
    if (++length > 10) return false;
    if (static_cast<unsigned char>(byte) < 0x80) length = 0;
  }
  return length == 0;
}

// Whether protobuf can read it, without making a message of it: millions of points a second come
// this way.
bool IsMetricBatch(absl::string_view batch) {
  WireReader reader(batch);
  WireField field;
  while (reader.Next(&field)) {
    if (field.type != 2) {
      return v1::MetricBatch().ParseFromArray(batch.data(), static_cast<int>(batch.size()));
    }
    switch (field.number) {
      case v1::MetricBatch::kNamesFieldNumber:
        if (!IsValidUtf8(field.bytes)) return false;
        break;
      case v1::MetricBatch::kNameFieldNumber:
      case v1::MetricBatch::kStepFieldNumber:
      case v1::MetricBatch::kEpochFieldNumber:
        if (!IsVarintColumn(field.bytes)) return false;
        break;
      case v1::MetricBatch::kValueFieldNumber:
        if (field.bytes.size() % sizeof(double) != 0) return false;
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

void FoldProgress(absl::string_view bytes, v1::Job& job) {
  v1::Progress event;
  if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  v1::JobProgress& progress = *job.mutable_progress();
  progress.set_phase(std::string(Utf8Prefix(event.phase(), kMaxNameBytes)));
  progress.set_epoch(event.epoch());
  progress.set_epochs(event.epochs());
  progress.set_images_per_second(event.images_per_second());
  progress.set_eta_seconds(event.eta_seconds());
}

bool IsFileName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
         name.find('/') == absl::string_view::npos;
}

// The newest attempt's files take the place of an earlier one's.
void FoldFiles(absl::string_view bytes, v1::Job& job) {
  v1::FilesWritten event;
  if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  job.clear_files();
  for (v1::JobFile& file : *event.mutable_files()) {
    if (!IsFileName(file.name()) || file.size_bytes() < 0 || job.files_size() == kMaxFiles)
      continue;
    file.set_blob(absl::StrCat(job.name(), "/files/", file.name()));
    *job.add_files() = std::move(file);
  }
}

}  // namespace

v1::Event::KindCase KindOf(absl::string_view event) {
  int kinds = 0;
  bool plain = true;
  absl::string_view metrics;
  WireReader reader(event);
  WireField field;
  while (reader.Next(&field)) {
    if (field.number >= v1::Event::kMetrics && field.number <= v1::Event::kData) {
      ++kinds;
      plain &= field.type == 2 && field.number == v1::Event::kMetrics;
      metrics = field.bytes;
    } else if (field.number == v1::Event::kTimeFieldNumber) {
      plain &= field.type == 2 && HasOnlyVarints(field.bytes);
    } else {
      plain &= field.type == 0;
    }
  }
  if (!reader.ok()) return v1::Event::KIND_NOT_SET;
  if (plain && kinds == 1) {
    return IsMetricBatch(metrics) ? v1::Event::kMetrics : v1::Event::KIND_NOT_SET;
  }
  v1::Event parsed;
  if (!parsed.ParseFromArray(event.data(), static_cast<int>(event.size()))) {
    return v1::Event::KIND_NOT_SET;
  }
  return parsed.kind_case();
}

void FoldEvent(absl::string_view event, v1::Job& job) {
  WireReader reader(event);
  WireField field;
  while (reader.Next(&field)) {
    if (field.type != 2) continue;
    if (field.number == v1::Event::kMetrics) FoldMetrics(field.bytes, job);
    if (field.number == v1::Event::kProgress) FoldProgress(field.bytes, job);
    if (field.number == v1::Event::kFiles) FoldFiles(field.bytes, job);
  }
}

}  // namespace skytrain
