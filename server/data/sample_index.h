#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/data/container.h"
#include "server/spec/plan.h"
#include "skytrain/v1/dataset.pb.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::data {

// Which images a data set has and what they are called, before any is decoded.
struct Sample {
  size_t container = 0, entry = 0;  // Where its bytes are.
  std::string id;
  int32_t label = 0;   // Index into SampleIndex::classes; 0 where there are none.
  int32_t split = -1;  // Index into SampleIndex::splits; -1: in none.
};

struct SampleIndex {
  v1::DatasetManifest::Format format = v1::DatasetManifest::FORMAT_UNSPECIFIED;
  std::string path;
  std::vector<std::unique_ptr<Container>> containers;
  std::vector<Sample> samples;  // In a fixed order, whatever the order in the archive.
  // Sorted by name, numbers by value. Empty where samples have numbers as targets, or no labels.
  std::vector<std::string> classes;
  std::vector<std::string> splits;  // The set's own, sorted by name.
  std::vector<v1::DatasetManifest::Problem> problems;
  std::string target;                     // The table's column with the class.
  std::vector<std::string> target_names;  // Its columns with numbers.
  std::vector<float> targets;             // [samples, target_names]
  std::vector<float> weights;             // Of the samples in the loss; empty: all alike.
  std::vector<double> positions;          // [samples, 2]: as Dataset::positions.
  std::vector<int32_t> groups;            // Of the samples, from 0; empty: nobody asked for any.
  int64_t images = 0, rows = 0;           // Found in all, for messages.

  const Entry& entry_of(const Sample& sample) const {
    return containers[sample.container]->entries()[sample.entry];
  }
};

// An image folder or archive: [root/][split/]class/…/file. Splits are known by name (train, val,
// valid, validation, test, in any case).
absl::StatusOr<SampleIndex> IndexImageFolder(std::unique_ptr<Container> container);
// Every image of a folder or archive, wherever it lies, without class and split.
absl::StatusOr<SampleIndex> IndexUnlabelledImages(std::unique_ptr<Container> container);

// Names of splits and resolved paths of the tables that say which samples they hold.
using SplitTablePaths = std::vector<std::pair<std::string, std::string>>;

// Images joined with a table, by id or by the table's names of files. See AddSplitTables.
// `group`: as data.splits.group (see GroupNumbers); empty: none.
absl::StatusOr<SampleIndex> IndexImagesWithTable(std::vector<std::unique_ptr<Container>> containers,
                                                 const std::string& table_path,
                                                 const v1::Files& files,
                                                 const spec::TargetColumns& targets,
                                                 const SplitTablePaths& split_tables = {},
                                                 const std::string& group = "");

// Does it look like a WebDataset shard: labels for at least half of the images?
bool IsShard(const Container& container);
// The files below the folder `resolved` that may bring their images' labels along: arrays, shards;
// none when it is no folder.
absl::StatusOr<std::vector<std::string>> FindLabelledImages(const std::string& resolved,
                                                            const std::vector<std::string>& roots);
// Files that each bring images and labels, or arrays in pairs that are named alike. Splits are
// known by the words of the files' names; classes are the values of the class column (else "cls",
// "label", "labels" or "class", else the only one) other than `group`, which is as above.
absl::StatusOr<SampleIndex> IndexLabelledImages(const std::string& resolved,
                                                const std::vector<std::string>& files,
                                                const spec::TargetColumns& targets,
                                                const std::string& group = "");

// Adds `name` to the problem `kind`: counted always, named for the first twenty.
void AddProblem(std::vector<v1::DatasetManifest::Problem>& problems, const std::string& kind,
                const std::string& name);

}  // namespace skytrain::data
