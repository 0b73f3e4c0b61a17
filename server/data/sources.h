#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/data/sample_index.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::data {

// The files that a `Data` names, resolved and below the data roots.
struct Sources {
  std::vector<std::string> images;  // Folders and archives.
  std::string table;                // Of `files`, or a `dataset` that is a table.
  SplitTablePaths split_tables;     // Of `splits`.
  std::string fingerprint;          // Of them all.
  bool is_table() const { return images.empty(); }
};
absl::StatusOr<Sources> ResolveSources(const v1::Data& data, const std::vector<std::string>& roots);

// Lists the images. Not for tables.
absl::StatusOr<SampleIndex> OpenIndex(const v1::Data& data, const spec::TargetColumns& targets,
                                      const Sources& sources,
                                      const std::vector<std::string>& roots);

// Adds what `values`, [samples, names], hold to `manifest`.
void DescribeTargets(const std::vector<std::string>& names, absl::Span<const float> values,
                     v1::DatasetManifest& manifest);

// What is known of one image once it was looked at.
struct ImageReport {
  std::string problem;  // Empty: usable.
  int width = 0, height = 0;
  int64_t undefined = 0;  // Pixels that are no number.
};
// `reports`: one a sample of `index`.
v1::DatasetManifest MakeManifest(const SampleIndex& index, const Sources& sources,
                                 const std::vector<ImageReport>& reports);

// DATA_INVALID when `data`'s policies do not allow one of the manifest's problems, naming counts,
// names and the setting that would allow it. With `evaluation`, classes without samples are fine.
absl::Status CheckPolicies(const v1::Data& data, const v1::DatasetManifest& manifest,
                           bool evaluation);

}  // namespace skytrain::data
