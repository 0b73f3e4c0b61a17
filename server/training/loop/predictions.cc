#include "server/training/loop/predictions.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace skytrain::training {
namespace {

using Kind = data::TableColumn::Kind;

// Columns of float32 [N, C], or one of N * C values where it stays a list.
std::vector<float> Values(const at::Tensor& values) {
  const at::Tensor on_host = values.to(at::kFloat).cpu().contiguous();
  const float* first = on_host.const_data_ptr<float>();
  return {first, first + on_host.numel()};
}

data::ColumnValues ColumnOf(const std::vector<float>& rows, size_t column, size_t columns) {
  data::ColumnValues values;
  for (size_t at = column; at < rows.size(); at += columns) values.floats.push_back(rows[at]);
  return values;
}

// Entropy of each row of probabilities [N, K], over that of K equal ones.
at::Tensor Uncertainty(const at::Tensor& probabilities) {
  const at::Tensor entropy = -at::special_xlogy(probabilities, probabilities).sum(1);
  return (entropy / std::log(static_cast<double>(probabilities.size(1)))).clamp(0, 1);
}

}  // namespace

PredictionTable::PredictionTable(std::unique_ptr<WritableFile> file, const data::Dataset& dataset,
                                 const Predictor& predictor)
    : file_(std::move(file)),
      dataset_(dataset),
      task_(predictor.task()),
      names_(task_.prediction_names()),
      classes_(task_.name() == "classification"),
      deviations_(predictor.passes() > 1 || task_.knows_deviations()),
      features_(predictor.features()) {}

absl::StatusOr<std::unique_ptr<PredictionTable>> PredictionTable::Create(
    FileSystem& fs, const std::string& path, data::TableFormat format, const data::Dataset& dataset,
    const Predictor& predictor) {
  ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, fs.CreateExclusive(path));
  std::unique_ptr<PredictionTable> table(new PredictionTable(std::move(file), dataset, predictor));
  const auto take = [t = table.get()](absl::string_view bytes) {
    t->sha_.Update(bytes);
    t->size_ += static_cast<int64_t>(bytes.size());
    return t->file_->Append(bytes);
  };
  ASSIGN_OR_RETURN(table->writer_, data::MakeTableWriter(format, table->Columns(), take));
  return table;
}

std::vector<data::TableColumn> PredictionTable::Columns() const {
  std::vector<data::TableColumn> columns = {{"id"}};
  const bool labelled = dataset_.labelled();
  if (labelled) columns.push_back({"split"});
  if (!dataset_.positions().empty()) {
    columns.push_back({"ra", Kind::kDouble});
    columns.push_back({"dec", Kind::kDouble});
  }
  if (classes_ && labelled) columns.push_back({"label"});
  if (classes_) {
    columns.push_back({"prediction"});
    columns.push_back({"uncertainty", Kind::kFloat});
  }
  const auto numbers = [&](absl::string_view prefix, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      columns.push_back({absl::StrCat(prefix, name), Kind::kFloat});
    }
  };
  numbers("target/", dataset_.target_names());
  numbers(classes_ ? "probability/" : "prediction/", names_);
  if (deviations_) numbers("uncertainty/", names_);
  if (features_ > 0) columns.push_back({"features", Kind::kFloats, features_});
  return columns;
}

absl::Status PredictionTable::Add(const std::string& split, absl::Span<const int64_t> samples,
                                  const Predicted& predicted) {
  std::vector<data::ColumnValues> columns;
  const auto texts = [&](const auto& text_of) {
    data::ColumnValues& column = columns.emplace_back();
    for (size_t i = 0; i < samples.size(); ++i) column.texts.push_back(text_of(i));
  };
  const auto numbers = [&](const std::vector<float>& rows, size_t width) {
    for (size_t c = 0; c < width; ++c) columns.push_back(ColumnOf(rows, c, width));
  };
  texts([&](size_t i) { return dataset_.ids()[samples[i]]; });
  if (dataset_.labelled()) texts([&](size_t) { return split; });
  for (int c = 0; c < 2 && !dataset_.positions().empty(); ++c) {
    data::ColumnValues& column = columns.emplace_back();
    for (const int64_t i : samples) column.doubles.push_back(dataset_.positions()[2 * i + c]);
  }
  const std::vector<float> rows = Values(predicted.predictions);
  const size_t width = names_.size();
  if (classes_) {
    if (dataset_.labelled()) {
      texts([&](size_t i) { return dataset_.classes()[dataset_.labels()[samples[i]]]; });
    }
    texts([&](size_t i) {
      const auto row = rows.begin() + static_cast<int64_t>(i * width);
      return names_[std::max_element(row, row + static_cast<int64_t>(width)) - row];
    });
    numbers(Values(Uncertainty(predicted.predictions)), 1);
  }
  const size_t targets = dataset_.target_names().size();
  for (size_t c = 0; c < targets; ++c) {
    data::ColumnValues& column = columns.emplace_back();
    for (const int64_t i : samples) {
      column.floats.push_back(dataset_.targets()[static_cast<size_t>(i) * targets + c]);
    }
  }
  numbers(rows, width);
  if (deviations_) {
    numbers(
        Values(predicted.spread.defined() ? predicted.spread : task_.Deviations(predicted.outputs)),
        width);
  }
  if (features_ > 0) columns.emplace_back().floats = Values(predicted.features);
  return writer_->Add(std::move(columns));
}

absl::StatusOr<FileDigest> PredictionTable::Finish() {
  RETURN_IF_ERROR(writer_->Finish());
  RETURN_IF_ERROR(file_->Sync());
  RETURN_IF_ERROR(file_->Close());
  return FileDigest{sha_.HexDigest(), size_};
}

}  // namespace skytrain::training
