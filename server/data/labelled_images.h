#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/data/array_file.h"
#include "server/data/container.h"

namespace skytrain::data {

// A file, or some that belong together, that brings its images' labels along: arrays (HDF5, npz,
// npy, idx) or a WebDataset shard.
struct LabelledImages {
  std::unique_ptr<Container> container;  // Entries in the file's order.
  // One an entry.
  std::vector<std::string> ids;
  std::vector<std::string> labels;  // A class's name, or its number as text.
};

// Images and labels in one file: the array named "images", "image", "x" or "data" (else the only
// one of three or four dimensions) and the one named "labels", "label", "ans", "y" or "target"
// (else the only one of whole numbers and one dimension). Images are uint8 [n, height, width],
// [n, height, width, 3] or [n, 3, height, width]. Ids are row numbers from 0. DATA_INVALID naming
// what the file holds instead.
absl::StatusOr<LabelledImages> ImagesOfArrays(std::shared_ptr<ArrayFile> file);
// The same with the labels in a file of their own.
absl::StatusOr<LabelledImages> ImagesOfArrays(std::shared_ptr<ArrayFile> images,
                                              const ArrayFile& labels);

}  // namespace skytrain::data
