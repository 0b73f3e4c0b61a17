#include "server/data/dataset.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "server/data/cache.h"
#include "server/data/data_errors.h"
#include "server/data/decode.h"
#include "server/data/duplicates.h"
#include "server/data/image.h"
#include "server/data/label_noise.h"
#include "server/data/sources.h"
#include "server/data/splits.h"
#include "server/data/table.h"
#include "server/spec/class_plan.h"

namespace skytrain::data {
namespace {

// Fills in what tables and images have in common.
class OpenedSet : public Dataset {
 public:
  absl::Status UseImages(std::unique_ptr<CacheFile> cache, const OpenOptions& options) {
    cache_ = std::move(cache);
    pixels_ = cache_->pixels();
    height_ = width_ = cache_->side();
    CacheIndex& index = cache_->index();
    manifest_ = std::move(index.manifest);
    ids_ = std::move(index.ids);
    labels_ = std::move(index.labels);
    classes_ = std::move(index.classes);
    target_names_ = std::move(index.target_names);
    targets_ = std::move(index.targets);
    weights_ = std::move(index.weights);
    positions_ = std::move(index.positions);
    groups_ = std::move(index.groups);
    for (const auto& problem : manifest_.problems()) {
      if (problem.kind() != "corrupt" && problem.kind() != "image_without_label" &&
          problem.kind() != "label_without_image") {
        continue;
      }
      skipped_ += problem.count();
      skipped_names_.insert(skipped_names_.end(), problem.names().begin(), problem.names().end());
    }
    return Divide(index.splits, index.sample_splits, options);
  }

  absl::Status UseTable(FeatureTable table, const Sources& sources, const OpenOptions& options) {
    manifest_ = ManifestOf(table, options.targets, sources);
    table_ = std::move(table.features);
    features_ = table_;
    columns_ = static_cast<int>(table.columns.size());
    positions_ = std::move(table.positions);
    ids_ = std::move(table.ids);
    labels_ = std::move(table.labels);
    classes_ = std::move(table.classes);
    target_names_ = options.targets.values;
    targets_ = std::move(table.targets);
    groups_ = std::move(table.groups);
    return Divide({}, std::vector<int32_t>(labels_.size(), -1), options);
  }

  void WillRead(absl::Span<const int64_t> samples) const override {
    if (cache_ != nullptr) cache_->WillRead(samples);
  }

  absl::Status CheckPixels(absl::Span<const int64_t> samples) const override {
    if (cache_ == nullptr) return absl::OkStatus();
    const std::optional<int64_t> damaged = cache_->FindDamage(samples);
    if (!damaged.has_value()) return absl::OkStatus();
    cache_->Discard();
    return CacheCorrupt(cache_->path(), ids_[*damaged]);
  }

  static v1::DatasetManifest ManifestOf(const FeatureTable& table,
                                        const spec::TargetColumns& targets,
                                        const Sources& sources) {
    v1::DatasetManifest manifest;
    manifest.set_path(sources.table);
    manifest.set_format(v1::DatasetManifest::FORMAT_TABLE);
    manifest.set_fingerprint(sources.fingerprint);
    manifest.set_count(static_cast<int64_t>(table.labels.size()));
    for (const std::string& name : table.classes) manifest.add_classes()->set_name(name);
    for (size_t i = 0; i < table.labels.size() && !table.classes.empty(); ++i) {
      auto* c = manifest.mutable_classes(table.labels[i]);
      c->set_count(c->count() + 1);
    }
    DescribeTargets(targets.values, table.targets, manifest);
    manifest.mutable_columns()->Assign(table.columns.begin(), table.columns.end());
    manifest.set_target(table.target);
    return manifest;
  }

 private:
  absl::Status Divide(const std::vector<std::string>& own_names,
                      const std::vector<int32_t>& own_splits, const OpenOptions& options) {
    if (options.data.has_classes() && !target_names_.empty()) {
      return DataInvalid("data.classes: the task asks for numbers, not for classes");
    }
    if (options.data.has_classes()) RETURN_IF_ERROR(PlanClasses(options.data.classes()));
    const absl::Status divided = DivideClasses(own_names, own_splits, options);
    // Samples that are left out keep their place and are in no split: nobody looks at their labels.
    for (int32_t& label : labels_) label = std::max(label, 0);
    // Before labels are made wrong on purpose.
    if (divided.ok() && cache_ != nullptr) {
      Leaks leaks = FindLeaks(*this, cache_->index().digests);
      leaked_ = leaks.count;
      leaked_names_ = std::move(leaks.names);
    }
    if (divided.ok() && options.data.has_label_noise()) {
      noisy_labels_ = AddLabelNoise(options.data.label_noise(), static_cast<int>(classes_.size()),
                                    train_, labels_);
    }
    return divided;
  }

  absl::Status PlanClasses(const v1::Classes& classes) {
    spec::Violations violations;
    spec::ClassPlan plan = spec::PlanClasses(classes, classes_, violations);
    RETURN_IF_ERROR(violations.ToStatus());
    for (int32_t& label : labels_) label = plan.number_of[label];
    classes_ = std::move(plan.classes);
    return absl::OkStatus();
  }

  absl::Status DivideClasses(const std::vector<std::string>& own_names,
                             const std::vector<int32_t>& own_splits, const OpenOptions& options) {
    if (!options.evaluation) {
      ASSIGN_OR_RETURN(SplitSets sets, ApplySplits(options.data.splits(), own_names, own_splits,
                                                   labels_, classes_, groups_));
      train_ = std::move(sets.train);
      validation_ = std::move(sets.validation);
      test_ = std::move(sets.test);
      return absl::OkStatus();
    }
    if (options.targets.unlabelled) {
      test_.resize(labels_.size());
      std::iota(test_.begin(), test_.end(), int64_t{0});
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(test_,
                     EvaluationSamples(options.evaluation_split, own_names, own_splits, labels_));
    if (test_.empty()) return DataInvalid("the split to evaluate on holds no samples");
    return target_names_.empty() ? MapClasses(options.classes) : absl::OkStatus();
  }

  // From the set's own classes to the model's.
  absl::Status MapClasses(const std::vector<std::string>& to) {
    std::map<std::string, int32_t> numbers;
    for (size_t c = 0; c < to.size(); ++c) numbers[to[c]] = static_cast<int32_t>(c);
    std::vector<int32_t> map;
    std::vector<std::string> unknown;
    for (const std::string& name : classes_) {
      const auto found = numbers.find(name);
      map.push_back(found == numbers.end() ? -1 : found->second);
    }
    std::vector<bool> used(classes_.size());
    for (const int64_t i : test_) used[labels_[i]] = true;
    for (size_t c = 0; c < classes_.size(); ++c) {
      if (used[c] && map[c] < 0) unknown.push_back(classes_[c]);
    }
    if (!unknown.empty()) {
      return DataInvalid(
          absl::StrCat(Quotable(manifest_.path()), " has classes that the model does not know: ",
                       SomeOf(unknown, static_cast<int64_t>(unknown.size())), "; it knows ",
                       SomeOf(to, static_cast<int64_t>(to.size()), 20)));
    }
    // Samples outside the split may be of classes that the model does not know.
    for (int32_t& label : labels_) label = label < 0 ? -1 : map[label];
    classes_ = to;
    return absl::OkStatus();
  }

  std::unique_ptr<CacheFile> cache_;
  std::vector<float> table_;
  std::vector<int32_t> groups_;  // Of the samples; empty: none.
};

// Everything that the decoded pixels and their index depend on.
std::string CachePath(const OpenOptions& options, const Sources& sources, const View& view) {
  constexpr int kDecoderVersion = 1;  // Raise it when the same input gives other pixels or labels.
  const spec::TargetColumns& targets = options.targets;
  const std::string& column = targets.class_column;
  std::string key = absl::StrCat(
      kDecoderVersion, "\n", sources.fingerprint, "\n", options.data.files().SerializeAsString(),
      "\n", column.size(), ":", column, "\n", absl::StrCat(view.center_crop), "\n",
      CanvasSize(view), "\n", options.data.image().stretch().SerializeAsString());
  for (const std::string& name : targets.values) {
    absl::StrAppend(&key, "\n", name.size(), ":", name);
  }
  for (const auto& [split, path] : sources.split_tables) {
    absl::StrAppend(&key, "\n", split, "=", path);
  }
  // What a set was refused for once must not be found in the cache of a laxer task.
  absl::StrAppend(&key, "\n", targets.lowest, " ", targets.highest, " ", targets.empty_is_zero);
  if (targets.unlabelled) absl::StrAppend(&key, "\nunlabelled");
  const std::string& group = options.data.splits().group();
  if (!group.empty()) absl::StrAppend(&key, "\ngroup ", group.size(), ":", group);
  return absl::StrCat(options.cache_dir, "/", Sha256Hex(key).substr(0, 32), ".images");
}

absl::Status MissingCache(const absl::Status& status) {
  // A damaged file is as good as none: it is built again.
  return absl::IsNotFound(status) || absl::IsDataLoss(status) ? absl::OkStatus() : status;
}

absl::StatusOr<std::unique_ptr<CacheFile>> OpenOrBuildCache(const OpenOptions& options,
                                                            const Sources& sources,
                                                            const View& view) {
  std::error_code error;
  std::filesystem::create_directories(options.cache_dir, error);
  if (error) return SystemError("create folder", options.cache_dir, error.value());
  const std::string path = CachePath(options, sources, view);
  auto opened = CacheFile::Open(path);
  if (opened.ok()) return opened;
  RETURN_IF_ERROR(MissingCache(opened.status()));
  ASSIGN_OR_RETURN(const Fd lock, LockCache(path, options.stop));
  opened = CacheFile::Open(path);  // Another job may have built it while this one waited.
  if (opened.ok()) return opened;
  RETURN_IF_ERROR(MissingCache(opened.status()));
  ASSIGN_OR_RETURN(const SampleIndex index,
                   OpenIndex(options.data, options.targets, sources, options.data_roots));
  // What no decoding can mend is said before it.
  RETURN_IF_ERROR(CheckPolicies(options.data, MakeManifest(index, sources, HeadersUnread(index)),
                                options.evaluation));
  RETURN_IF_ERROR(DecodeIntoCache(index, sources, view, path,
                                  {options.threads, options.progress, options.stop}));
  return CacheFile::Open(path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(const OpenOptions& options) {
  ASSIGN_OR_RETURN(const Sources sources, ResolveSources(options.data, options.data_roots));
  auto set = std::make_unique<OpenedSet>();
  if (sources.is_table()) {
    ASSIGN_OR_RETURN(FeatureTable table,
                     LoadFeatureTable(sources.table, options.targets, options.data.splits().group(),
                                      options.features));
    RETURN_IF_ERROR(set->UseTable(std::move(table), sources, options));
    return set;
  }
  if (!options.features.empty()) {
    return DataInvalid(absl::StrCat(
        Quotable(sources.images[0]), " holds images, and the model takes a table with the columns ",
        SomeOf(options.features, static_cast<int64_t>(options.features.size()), 20)));
  }
  const View view = ViewOf(options.data);
  if (view.size < 1 || view.size > 4096 || !(view.center_crop > 0 && view.center_crop <= 1)) {
    return DataInvalid("data.image: size and center_crop are needed to read images");
  }
  ASSIGN_OR_RETURN(auto cache, OpenOrBuildCache(options, sources, view));
  RETURN_IF_ERROR(CheckPolicies(options.data, cache->index().manifest, options.evaluation));
  RETURN_IF_ERROR(set->UseImages(std::move(cache), options));
  return set;
}

absl::StatusOr<v1::DatasetManifest> InspectDataset(const v1::Data& data,
                                                   const spec::TargetColumns& targets,
                                                   const std::vector<std::string>& data_roots) {
  ASSIGN_OR_RETURN(const Sources sources, ResolveSources(data, data_roots));
  if (sources.is_table() && targets.unlabelled) {
    ASSIGN_OR_RETURN(const FeatureTable table, DescribeTable(sources.table));
    return OpenedSet::ManifestOf(table, targets, sources);
  }
  if (sources.is_table()) {
    ASSIGN_OR_RETURN(const FeatureTable table,
                     LoadFeatureTable(sources.table, targets, data.splits().group()));
    return OpenedSet::ManifestOf(table, targets, sources);
  }
  ASSIGN_OR_RETURN(const SampleIndex index, OpenIndex(data, targets, sources, data_roots));
  ASSIGN_OR_RETURN(const std::vector<ImageReport> reports, ReadHeaders(index));
  return MakeManifest(index, sources, reports);
}

}  // namespace skytrain::data
