#include "server/training/loop/mistakes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/digest/digest.h"
#include "common/status_macros.h"
#include "server/data/image.h"
#include "server/data/sheet.h"

namespace skytrain::training {
namespace {

constexpr int kColumns = 8;
constexpr int kSmallestTile = 128;  // Captions need about twenty characters.
constexpr int64_t kMostPixels = 16'000'000;
constexpr size_t kNoGroup = std::numeric_limits<size_t>::max();

}  // namespace

void WorstMistakes::Add(absl::Span<const int64_t> samples, const Predicted& predicted,
                        const Batch& batch) {
  const at::Tensor losses =
      task_.SampleLosses(predicted.outputs, batch).to(at::kDouble).cpu().contiguous();
  const bool classes = !dataset_.classes().empty();
  const auto [top, taken_for] = predicted.predictions.max(1);
  const at::Tensor probabilities = top.to(at::kDouble).cpu(), classes_taken = taken_for.cpu();
  for (size_t i = 0; i < samples.size(); ++i) {
    const double loss = losses.const_data_ptr<double>()[i];
    std::string caption = absl::StrFormat("%.3g %s", loss, dataset_.ids()[samples[i]]);
    if (classes) {
      const int64_t taken = classes_taken.const_data_ptr<int64_t>()[i];
      if (taken == dataset_.labels()[samples[i]]) continue;
      caption = absl::StrFormat("%.2f %s", probabilities.const_data_ptr<double>()[i],
                                dataset_.classes()[taken]);
    }
    worst_.push_back({loss, samples[i], std::move(caption)});
  }
  // What is no number is the worst; equal losses in the order of the samples, so that a sheet
  // repeats.
  const auto rank = [](const Mistake& mistake) {
    return std::tuple(!std::isnan(mistake.loss), std::isnan(mistake.loss) ? 0.0 : -mistake.loss,
                      mistake.sample);
  };
  std::sort(worst_.begin(), worst_.end(),
            [&](const Mistake& a, const Mistake& b) { return rank(a) < rank(b); });
  if (worst_.size() > most_) worst_.resize(most_);
}

absl::StatusOr<FileDigest> WorstMistakes::Write(FileSystem& fs, const std::string& path) const {
  const int enlarged = std::max(1, (kSmallestTile + size_ - 1) / size_);
  const int side = size_ * enlarged;
  const bool classes = !dataset_.classes().empty();
  // In the order of their worst mistakes: a sheet without room leaves the last ones out.
  std::vector<data::SheetGroup> groups;
  std::vector<size_t> group_of(classes ? dataset_.classes().size() : 1, kNoGroup);
  const int top = (dataset_.height() - size_) / 2, left = (dataset_.width() - size_) / 2;
  for (const Mistake& mistake : worst_) {
    data::SheetImage image{std::vector<uint8_t>(size_t{3} * side * side), mistake.caption};
    const uint8_t* canvas = dataset_.pixels().data() + static_cast<size_t>(mistake.sample) *
                                                           dataset_.height() * dataset_.width() * 3;
    for (int y = 0; y < side; ++y) {
      for (int x = 0; x < side; ++x) {
        const size_t from =
            (static_cast<size_t>(top + y / enlarged) * dataset_.width() + left + x / enlarged) * 3;
        std::copy_n(canvas + from, 3, image.rgb.data() + (static_cast<size_t>(y) * side + x) * 3);
      }
    }
    const size_t label = classes ? dataset_.labels()[mistake.sample] : 0;
    if (group_of[label] == kNoGroup) {
      group_of[label] = groups.size();
      groups.emplace_back().title =
          classes ? absl::StrCat(dataset_.classes()[label], ", taken for") : "greatest loss";
    }
    groups[group_of[label]].images.push_back(std::move(image));
  }
  const data::Sheet sheet = data::DrawSheet(groups, side, kColumns, kMostPixels);
  ASSIGN_OR_RETURN(const std::string png,
                   data::EncodePng(sheet.width, sheet.height, sheet.rgb.data()));
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, fs.CreateExclusive(path));
  RETURN_IF_ERROR(file->Append(png));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(file->Close());
  return FileDigest{Sha256Hex(png), static_cast<int64_t>(png.size())};
}

}  // namespace skytrain::training
