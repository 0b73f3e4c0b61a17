#include "server/data/sources.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/fits_bands.h"
#include "server/data/parquet/parquet.h"
#include "server/data/paths.h"
#include "server/spec/split_plan.h"

namespace skytrain::data {
namespace {

using Problem = v1::DatasetManifest::Problem;

constexpr char kArchiveWarning[] = "archive_warning";
constexpr char kUndefinedPixels[] = "undefined_pixels";

std::string Describe(const Problem& problem) {
  const bool one = problem.count() == 1;
  std::string what;
  if (problem.kind() == "corrupt") {
    what = one ? "image that cannot be decoded" : "images that cannot be decoded";
  } else if (problem.kind() == "image_without_label") {
    what = one ? "image without a label" : "images without a label";
  } else if (problem.kind() == "label_without_image") {
    what = one ? "label without an image" : "labels without an image";
  } else if (problem.kind() == "duplicate_id") {
    what = one ? "id that occurs more than once" : "ids that occur more than once";
  } else {
    what = one ? "empty class" : "empty classes";
  }
  return absl::StrCat(Grouped(problem.count()), " ", what, " (",
                      SomeOf({problem.names().begin(), problem.names().end()}, problem.count()),
                      ")");
}

// The setting that allows the problem; empty: none does.
std::string Setting(const Problem& problem) {
  if (problem.kind() == "corrupt") return "data.corrupt: skip";
  if (problem.kind() == "image_without_label" || problem.kind() == "label_without_image") {
    return "data.unmatched: skip";
  }
  return "";
}

}  // namespace

absl::StatusOr<Sources> ResolveSources(const v1::Data& data,
                                       const std::vector<std::string>& roots) {
  Sources sources;
  std::vector<std::string> all;
  switch (data.source_case()) {
    case v1::Data::kDataset: {
      ASSIGN_OR_RETURN(std::string path, ResolvePath(data.dataset(), roots));
      ASSIGN_OR_RETURN(const FileKind kind, KindOf(path));
      all.push_back(path);
      bool table = kind == FileKind::kText;
      if (kind == FileKind::kParquet) {
        ASSIGN_OR_RETURN(const auto file, OpenParquet(path));
        table = ImageColumnOf(*file) < 0;
      }
      if (table) {
        sources.table = std::move(path);
      } else {
        sources.images.push_back(std::move(path));
      }
      break;
    }
    case v1::Data::kFiles: {
      if (data.files().images().empty()) return DataInvalid("data.files.images: required");
      for (const std::string& path : data.files().images()) {
        ASSIGN_OR_RETURN(std::string resolved, ResolvePath(path, roots));
        sources.images.push_back(resolved);
        all.push_back(std::move(resolved));
      }
      ASSIGN_OR_RETURN(sources.table, ResolvePath(data.files().table(), roots));
      all.push_back(sources.table);
      break;
    }
    case v1::Data::SOURCE_NOT_SET:
      return DataInvalid("data: needs one of dataset, files");
  }
  for (const auto& [split, path] : spec::SplitTables(data.splits())) {
    if (!data.has_files()) return DataInvalid(absl::StrCat(split, ": needs data.files"));
    ASSIGN_OR_RETURN(std::string resolved, ResolvePath(path, roots));
    sources.split_tables.emplace_back(split, resolved);
    all.push_back(std::move(resolved));
  }
  ASSIGN_OR_RETURN(sources.fingerprint, FingerprintOf(all, roots));
  return sources;
}

absl::StatusOr<SampleIndex> OpenIndex(const v1::Data& data, const spec::TargetColumns& targets,
                                      const Sources& sources,
                                      const std::vector<std::string>& roots) {
  const bool one_set = data.source_case() == v1::Data::kDataset;
  const std::string& group = data.splits().group();
  if (one_set) {
    ASSIGN_OR_RETURN(const FileKind kind, KindOf(sources.images[0]));
    if (kind == FileKind::kArrays || kind == FileKind::kParquet) {
      return IndexLabelledImages(sources.images[0], {sources.images[0]}, targets, group);
    }
    if (kind == FileKind::kImage && targets.unlabelled) {
      return IndexUnlabelledImages(std::make_unique<SingleImage>(sources.images[0]));
    }
  }
  std::vector<std::unique_ptr<Container>> containers;
  for (const std::string& path : sources.images) {
    ASSIGN_OR_RETURN(auto container, OpenContainer(path, roots));
    ASSIGN_OR_RETURN(container, GroupBands(std::move(container), ViewOf(data).stretch.bands));
    containers.push_back(std::move(container));
  }
  if (one_set && IsShard(*containers[0])) {
    return IndexLabelledImages(sources.images[0], {sources.images[0]}, targets, group);
  }
  if (one_set && containers[0]->entries().empty()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> files,
                     FindLabelledImages(sources.images[0], roots));
    if (!files.empty()) return IndexLabelledImages(sources.images[0], files, targets, group);
  }
  if (one_set && !group.empty()) {
    return DataInvalid(absl::StrCat(
        "data.splits.group: ", Quotable(sources.images[0]), " holds images in folders, with no \"",
        Quotable(group), "\" and no other columns: give images and table by data.files"));
  }
  if (one_set && !targets.values.empty()) {
    return DataInvalid(absl::StrCat(Quotable(sources.images[0]), " has a class for each image; ",
                                    targets.field,
                                    " needs numbers from a table: give images and table by "
                                    "data.files"));
  }
  std::vector<Problem> warnings;
  for (const auto& container : containers) {
    if (container->warning().empty()) continue;
    AddProblem(warnings, kArchiveWarning,
               absl::StrCat(container->path(), ": ", container->warning()));
  }
  ASSIGN_OR_RETURN(SampleIndex index,
                   !one_set
                       ? IndexImagesWithTable(std::move(containers), sources.table, data.files(),
                                              targets, sources.split_tables, group)
                   : targets.unlabelled ? IndexUnlabelledImages(std::move(containers[0]))
                                        : IndexImageFolder(std::move(containers[0])));
  index.problems.insert(index.problems.end(), warnings.begin(), warnings.end());
  return index;
}

void DescribeTargets(const std::vector<std::string>& names, absl::Span<const float> values,
                     v1::DatasetManifest& manifest) {
  for (size_t c = 0; c < names.size(); ++c) {
    v1::DatasetManifest::Target& target = *manifest.add_targets();
    target.set_name(names[c]);
    double sum = 0.0;
    for (size_t i = c; i < values.size(); i += names.size()) {
      const double value = values[i];
      target.set_min(i == c ? value : std::min(target.min(), value));
      target.set_max(i == c ? value : std::max(target.max(), value));
      sum += value;
    }
    if (!values.empty()) target.set_mean(sum * names.size() / values.size());
  }
}

v1::DatasetManifest MakeManifest(const SampleIndex& index, const Sources& sources,
                                 const std::vector<ImageReport>& reports) {
  v1::DatasetManifest manifest;
  manifest.set_path(index.path);
  manifest.set_format(index.format);
  manifest.set_fingerprint(sources.fingerprint);
  manifest.set_target(index.target);
  for (const std::string& name : index.classes) manifest.add_classes()->set_name(name);
  for (const std::string& name : index.splits) {
    auto* split = manifest.add_splits();
    split->set_name(name);
    for (size_t c = 0; c < index.classes.size(); ++c) split->add_class_counts(0);
  }
  std::vector<Problem> problems = index.problems;
  const size_t columns = index.target_names.size();
  std::vector<float> usable;  // Their targets.
  for (size_t i = 0; i < reports.size(); ++i) {
    const Sample& sample = index.samples[i];
    const ImageReport& report = reports[i];
    if (!report.problem.empty()) {
      AddProblem(problems, "corrupt",
                 absl::StrCat(index.entry_of(sample).path, ": ", report.problem));
      continue;
    }
    usable.insert(usable.end(), index.targets.begin() + i * columns,
                  index.targets.begin() + (i + 1) * columns);
    if (report.undefined > 0) {
      AddProblem(problems, kUndefinedPixels,
                 absl::StrCat(index.entry_of(sample).path, ": ", Grouped(report.undefined),
                              " pixels are no number"));
    }
    const bool first = manifest.count() == 0;
    manifest.set_count(manifest.count() + 1);
    if (!index.classes.empty()) {
      auto* of_class = manifest.mutable_classes(sample.label);
      of_class->set_count(of_class->count() + 1);
    }
    if (sample.split >= 0) {
      auto* split = manifest.mutable_splits(sample.split);
      split->set_count(split->count() + 1);
      if (!index.classes.empty()) {
        split->set_class_counts(sample.label, split->class_counts(sample.label) + 1);
      }
    }
    manifest.set_min_width(first ? report.width : std::min(manifest.min_width(), report.width));
    manifest.set_min_height(first ? report.height : std::min(manifest.min_height(), report.height));
    manifest.set_max_width(std::max(manifest.max_width(), report.width));
    manifest.set_max_height(std::max(manifest.max_height(), report.height));
  }
  for (const auto& c : manifest.classes()) {
    const bool known = std::any_of(problems.begin(), problems.end(), [&](const Problem& p) {
      return p.kind() == "empty_class" &&
             std::find(p.names().begin(), p.names().end(), c.name()) != p.names().end();
    });
    if (c.count() == 0 && !known) AddProblem(problems, "empty_class", c.name());
  }
  for (Problem& problem : problems) *manifest.add_problems() = std::move(problem);
  DescribeTargets(index.target_names, usable, manifest);
  return manifest;
}

absl::Status CheckPolicies(const v1::Data& data, const v1::DatasetManifest& manifest,
                           bool evaluation) {
  std::vector<std::string> lines;
  for (const Problem& problem : manifest.problems()) {
    const std::string setting = Setting(problem);
    const bool allowed =
        (problem.kind() == "corrupt" && data.corrupt() == v1::Data::POLICY_SKIP) ||
        (setting == "data.unmatched: skip" && data.unmatched() == v1::Data::POLICY_SKIP) ||
        (problem.kind() == "empty_class" && (evaluation || data.has_classes())) ||
        problem.kind() == kArchiveWarning || problem.kind() == kUndefinedPixels;
    if (allowed) continue;
    lines.push_back(absl::StrCat(Describe(problem),
                                 setting.empty() ? "" : absl::StrCat(". Allow it with ", setting)));
  }
  if (lines.empty()) return absl::OkStatus();
  return DataInvalid(absl::StrCat(Quotable(manifest.path()), ": ", absl::StrJoin(lines, "\n")));
}

}  // namespace skytrain::data
