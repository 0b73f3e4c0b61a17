#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/data/dataset.h"

namespace skytrain::training {

// A data set that a test fills itself: by default images whose colour tells their class, split
// 4 : 1 : 1.
class MemoryDataset final : public data::Dataset {
 public:
  static MemoryDataset Images(int count, int size, int classes) {
    MemoryDataset set;
    set.height_ = set.width_ = size;
    set.bytes_.resize(static_cast<size_t>(count) * size * size * 3);
    uint32_t noise = 12345;
    for (size_t i = 0; i < set.bytes_.size(); ++i) {
      noise = noise * 1664525 + 1013904223;
      const int label = static_cast<int>(i / (size * size * 3)) % classes;
      const int bright = static_cast<int>(i % 3) == label % 3 ? 80 : 0;
      set.bytes_[i] = static_cast<uint8_t>((noise >> 24) % 150 + bright);
    }
    set.pixels_ = set.bytes_;
    set.Split(count, classes);
    return set;
  }

  static MemoryDataset Table(std::vector<float> features, int columns, std::vector<int> labels,
                             int classes) {
    MemoryDataset set;
    set.values_ = std::move(features);
    set.features_ = set.values_;
    set.columns_ = columns;
    set.Split(static_cast<int>(labels.size()), classes);
    set.labels_.assign(labels.begin(), labels.end());
    return set;
  }

  // Numbers [count, names] instead of the classes.
  void SetTargets(std::vector<std::string> names, std::vector<float> values) {
    classes_.clear();
    labels_.assign(labels_.size(), 0);
    target_names_ = std::move(names);
    targets_ = std::move(values);
  }
  void SetWeights(std::vector<float> weights) { weights_ = std::move(weights); }

  // Degrees [count, 2].
  void SetPositions(std::vector<double> positions) { positions_ = std::move(positions); }

  // As if the pixels of `sample` had been damaged on the disk.
  void SetDamaged(int64_t sample) { damaged_ = sample; }
  absl::Status CheckPixels(absl::Span<const int64_t> samples) const override {
    if (std::find(samples.begin(), samples.end(), damaged_) == samples.end()) {
      return absl::OkStatus();
    }
    return absl::DataLossError(absl::StrCat("sample ", damaged_, " is damaged"));
  }

  MemoryDataset(MemoryDataset&&) = default;  // Moves keep the vectors' memory, so the spans hold.
  std::vector<uint8_t>& bytes() { return bytes_; }
  std::vector<float>& values() { return values_; }
  void SetSplits(std::vector<int64_t> train, std::vector<int64_t> validation,
                 std::vector<int64_t> test) {
    train_ = std::move(train);
    validation_ = std::move(validation);
    test_ = std::move(test);
  }

 private:
  MemoryDataset() = default;

  void Split(int count, int classes) {
    for (int k = 0; k < classes; ++k) classes_.push_back(absl::StrCat("class", k));
    for (int i = 0; i < count; ++i) {
      labels_.push_back(i % classes);
      ids_.push_back(absl::StrCat(i));
      const int part = i / classes % 6;  // Every class in every split.
      (part == 4 ? validation_ : part == 5 ? test_ : train_).push_back(i);
    }
  }

  std::vector<uint8_t> bytes_;
  std::vector<float> values_;
  int64_t damaged_ = -1;
};

// Two columns, two classes of unequal size; nothing in the model depends on the rest of a batch.
inline MemoryDataset SmallTable() {
  std::vector<float> features;
  std::vector<int> labels;
  for (int i = 0; i < 120; ++i) {
    labels.push_back(i % 5 == 0);
    features.push_back(static_cast<float>((i % 5 == 0 ? 3.0 : 1.0) + std::sin(i)));
    features.push_back(static_cast<float>(std::cos(3 * i)));
  }
  return MemoryDataset::Table(features, 2, labels, 2);
}

}  // namespace skytrain::training
