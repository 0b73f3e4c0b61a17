#include "server/training/loop/output_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace skytrain::training {
namespace {

using Format = spec::OutputPlan::Format;

data::TableFormat TableFormatOf(Format format) {
  switch (format) {
    case Format::kParquet:
      return data::TableFormat::kParquet;
    case Format::kJsonLines:
      return data::TableFormat::kJsonLines;
    case Format::kCsv:
    case Format::kNone:
      break;
  }
  return data::TableFormat::kCsv;
}

constexpr char kMistakes[] = "mistakes.png";

}  // namespace

absl::StatusOr<std::unique_ptr<OutputFiles>> OutputFiles::Create(FileSystem& fs, std::string folder,
                                                                 const spec::OutputPlan& plan,
                                                                 const data::Dataset& dataset,
                                                                 const Predictor& predictor,
                                                                 int size) {
  std::unique_ptr<OutputFiles> files(new OutputFiles(fs, std::move(folder)));
  if (plan.predictions != Format::kNone) {
    const data::TableFormat format = TableFormatOf(plan.predictions);
    files->table_name_ = absl::StrCat("predictions.", data::SuffixOf(format));
    ASSIGN_OR_RETURN(files->table_, PredictionTable::Create(
                                        fs, absl::StrCat(files->folder_, "/", files->table_name_),
                                        format, dataset, predictor));
  }
  if (plan.mistakes > 0) files->mistakes_.emplace(dataset, predictor.task(), size, plan.mistakes);
  return files;
}

absl::Status OutputFiles::Add(const std::string& split, absl::Span<const int64_t> samples,
                              const Predicted& predicted, const Batch& batch, bool show_mistakes) {
  if (mistakes_ && show_mistakes) mistakes_->Add(samples, predicted, batch);
  return table_ == nullptr ? absl::OkStatus() : table_->Add(split, samples, predicted);
}

absl::StatusOr<std::vector<NamedDigest>> OutputFiles::Finish() {
  std::vector<NamedDigest> written;
  if (table_ != nullptr) {
    ASSIGN_OR_RETURN(FileDigest digest, table_->Finish());
    written.push_back({table_name_, std::move(digest)});
  }
  if (mistakes_ && !mistakes_->empty()) {
    ASSIGN_OR_RETURN(FileDigest digest,
                     mistakes_->Write(fs_, absl::StrCat(folder_, "/", kMistakes)));
    written.push_back({kMistakes, std::move(digest)});
  }
  return written;
}

}  // namespace skytrain::training
