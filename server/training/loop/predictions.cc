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
#include "common/digest/digest.h"
#include "common/status_macros.h"

namespace skytrain::training {
namespace {

// As in RFC 4180.
std::string Cell(absl::string_view text) {
  if (text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

class PredictionTable {
 public:
  PredictionTable(WritableFile& file, const data::Dataset& dataset, const Task& task)
      : file_(file), dataset_(dataset), classes_(!dataset.classes().empty()) {
    const std::vector<std::string> names = task.prediction_names();
    text_ = classes_ ? "id,split,label,prediction" : "id,split";
    for (const std::string& name : dataset.target_names()) {
      absl::StrAppend(&text_, ",", Cell(absl::StrCat("target/", name)));
    }
    for (const std::string& name : names) {
      absl::StrAppend(&text_, ",",
                      Cell(absl::StrCat(classes_ ? "probability/" : "prediction/", name)));
    }
    text_ += "\n";
  }

  // `predictions` float32 [N, P], of N samples.
  absl::Status Add(const std::string& split, absl::Span<const int64_t> samples,
                   const at::Tensor& predictions) {
    const at::Tensor rows = predictions.cpu().contiguous();
    const float* row = rows.const_data_ptr<float>();
    const int64_t columns = rows.size(1);
    for (const int64_t sample : samples) {
      absl::StrAppend(&text_, Cell(dataset_.ids()[sample]), ",", split);
      if (classes_) {
        const int64_t best = std::max_element(row, row + columns) - row;
        absl::StrAppend(&text_, ",", Cell(dataset_.classes()[dataset_.labels()[sample]]), ",",
                        Cell(dataset_.classes()[best]));
      }
      const int targets = dataset_.target_columns();
      for (int c = 0; c < targets; ++c) Append(dataset_.targets()[sample * targets + c]);
      for (int64_t c = 0; c < columns; ++c) Append(row[c]);
      text_ += "\n";
      row += columns;
    }
    return Flush();
  }

  absl::Status Flush() {
    sha_.Update(text_);
    size_ += static_cast<int64_t>(text_.size());
    RETURN_IF_ERROR(file_.Append(text_));
    text_.clear();
    return absl::OkStatus();
  }

  FileDigest Digest() { return {sha_.HexDigest(), size_}; }

 private:
  void Append(float value) { absl::StrAppendFormat(&text_, ",%.7g", value); }

  WritableFile& file_;
  const data::Dataset& dataset_;
  const bool classes_;
  std::string text_;
  Sha256 sha_;
  int64_t size_ = 0;
};

}  // namespace

absl::StatusOr<FileDigest> WritePredictions(FileSystem& fs, const std::string& path, Model& model,
                                            const BatchSource& source, const Task& task,
                                            int64_t batch_size,
                                            const std::vector<PredictedSplit>& splits) {
  const at::NoGradGuard no_grad;
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, fs.CreateExclusive(path));
  PredictionTable table(*file, source.dataset(), task);
  model.SetTraining(false);
  for (const PredictedSplit& split : splits) {
    BatchOrder order;
    order.samples.assign(split.samples.begin(), split.samples.end());
    order.batch_size = batch_size;
    BatchStream stream(source, std::move(order));
    size_t done = 0;
    while (std::optional<Batch> batch = stream.Next()) {
      const auto count = static_cast<size_t>(batch->labels.size(0));
      RETURN_IF_ERROR(table.Add(split.name, split.samples.subspan(done, count),
                                task.Predictions(model.Forward(batch->input))));
      done += count;
    }
  }
  RETURN_IF_ERROR(table.Flush());
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(file->Close());
  return table.Digest();
}

}  // namespace skytrain::training
