#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/render/json.h"
#include "client/render/terminal.h"
#include "skytrain/v1/dataset.pb.h"

namespace skytrain::client {

// A data set as `datasets show` knows it.
struct ShownDataset {
  std::optional<v1::Dataset> registered;        // None: it is a path.
  std::optional<v1::DatasetManifest> manifest;  // As its files are now; none: they cannot be read.
  // Whether the files are others than those that were registered.
  bool Changed() const;
};

// What it is, where it is, its classes and splits as a table, and what is wrong with it.
std::string DatasetText(const ShownDataset& shown, absl::Time now, const Terminal& terminal);
// The manifest's keys, and with `registered` what was registered: name, owner, data, …
void WriteDataset(const ShownDataset& shown, JsonWriter& json);

// One line a data set.
std::string DatasetTable(const std::vector<v1::Dataset>& datasets, absl::Time now,
                         const Terminal& terminal);

// "2,434 images, 5 classes", "150 rows, 3 classes".
std::string SizeText(const v1::DatasetManifest& manifest);
// The paths that it is made of, comma-separated: images before their table.
std::string SourceText(const v1::Data& data);

}  // namespace skytrain::client
