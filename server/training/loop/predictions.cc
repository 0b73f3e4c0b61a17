#include "server/training/loop/predictions.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/status_macros.h"

namespace skytrain::training {
namespace {

// As in RFC 4180.
std::string Cell(absl::string_view text) {
  if (text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace

PredictionTable::PredictionTable(std::unique_ptr<WritableFile> file, const data::Dataset& dataset,
                                 const Task& task, bool spread)
    : file_(std::move(file)),
      dataset_(dataset),
      names_(task.prediction_names()),
      classes_(task.name() == "classification"),
      spread_(spread) {
  text_ = dataset.labelled() ? "id,split" : "id";
  if (classes_) text_ += dataset.labelled() ? ",label,prediction" : ",prediction";
  const auto head = [&](absl::string_view prefix, const std::string& name) {
    absl::StrAppend(&text_, ",", Cell(absl::StrCat(prefix, name)));
  };
  for (const std::string& name : dataset.target_names()) head("target/", name);
  for (const std::string& name : names_) head(classes_ ? "probability/" : "prediction/", name);
  if (spread_) {
    for (const std::string& name : names_) head("uncertainty/", name);
  }
  text_ += "\n";
}

absl::StatusOr<std::unique_ptr<PredictionTable>> PredictionTable::Create(
    FileSystem& fs, const std::string& path, const data::Dataset& dataset, const Task& task,
    bool spread) {
  ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, fs.CreateExclusive(path));
  return std::unique_ptr<PredictionTable>(
      new PredictionTable(std::move(file), dataset, task, spread));
}

absl::Status PredictionTable::Add(const std::string& split, absl::Span<const int64_t> samples,
                                  const Predicted& predicted) {
  const at::Tensor rows = predicted.predictions.cpu().contiguous();
  const at::Tensor spreads = spread_ ? predicted.spread.cpu().contiguous() : at::Tensor();
  const float* row = rows.const_data_ptr<float>();
  const float* spread = spread_ ? spreads.const_data_ptr<float>() : nullptr;
  const auto columns = static_cast<int64_t>(names_.size());
  for (const int64_t sample : samples) {
    text_ += Cell(dataset_.ids()[sample]);
    if (dataset_.labelled()) absl::StrAppend(&text_, ",", split);
    if (classes_ && dataset_.labelled()) {
      absl::StrAppend(&text_, ",", Cell(dataset_.classes()[dataset_.labels()[sample]]));
    }
    if (classes_)
      absl::StrAppend(&text_, ",", Cell(names_[std::max_element(row, row + columns) - row]));
    const int targets = dataset_.target_columns();
    for (int c = 0; c < targets; ++c) Append(dataset_.targets()[sample * targets + c]);
    for (int64_t c = 0; c < columns; ++c) Append(row[c]);
    row += columns;
    if (spread_) {
      for (int64_t c = 0; c < columns; ++c) Append(spread[c]);
      spread += columns;
    }
    text_ += "\n";
  }
  return Flush();
}

void PredictionTable::Append(float value) { absl::StrAppendFormat(&text_, ",%.7g", value); }

absl::Status PredictionTable::Flush() {
  sha_.Update(text_);
  size_ += static_cast<int64_t>(text_.size());
  RETURN_IF_ERROR(file_->Append(text_));
  text_.clear();
  return absl::OkStatus();
}

absl::StatusOr<FileDigest> PredictionTable::Finish() {
  RETURN_IF_ERROR(Flush());
  RETURN_IF_ERROR(file_->Sync());
  RETURN_IF_ERROR(file_->Close());
  return FileDigest{sha_.HexDigest(), size_};
}

absl::StatusOr<FileDigest> WritePredictions(FileSystem& fs, const std::string& path, Model& model,
                                            const BatchSource& source, const Task& task,
                                            int64_t batch_size,
                                            const std::vector<PredictedSplit>& splits) {
  const at::NoGradGuard no_grad;
  ASSIGN_OR_RETURN(const std::unique_ptr<PredictionTable> table,
                   PredictionTable::Create(fs, path, source.dataset(), task, /*spread=*/false));
  Predictor predictor({{model, task, source.normalisation()}}, {});
  for (const PredictedSplit& split : splits) {
    BatchOrder order;
    order.samples.assign(split.samples.begin(), split.samples.end());
    order.batch_size = batch_size;
    BatchStream stream(source, std::move(order));
    int64_t done = 0;
    while (std::optional<Batch> batch = stream.Next()) {
      const int64_t count = batch->labels.size(0);
      RETURN_IF_ERROR(table->Add(split.name, split.samples.subspan(done, count),
                                 predictor.Predict(batch->input, done)));
      done += count;
    }
  }
  return table->Finish();
}

}  // namespace skytrain::training
