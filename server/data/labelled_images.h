#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/data/array_file.h"
#include "server/data/container.h"
#include "server/data/text_table.h"
#include "skytrain/v1/dataset.pb.h"

namespace skytrain::data {

// A file that brings along what is known of its images: arrays (HDF5, npz, npy, idx), a WebDataset
// shard, or a Parquet file with a column of images.
struct LabelledImages {
  std::unique_ptr<Container> container;
  // One an entry of the container.
  std::vector<std::string> ids;
  bool ids_are_rows = false;  // Numbers that mean something within this file only.
  TextTable table;            // A row an entry. An empty cell: not known.
  std::vector<v1::DatasetManifest::Problem> problems;
};

// Images and labels in one file: the array named "images", "image", "x" or "data" (else the only
// one of three or four dimensions) and the one named "labels", "label", "ans", "y" or "target"
// (else the only one of whole numbers and one dimension), which becomes the column "labels"; "ra"
// and "dec", where there are such arrays, become columns too. Images are uint8 [n, height, width],
// [n, height, width, 3] or [n, 3, height, width]. Ids are row numbers from 0. DATA_INVALID naming
// what the file holds instead. `group`, as data.splits.group: the name of an array that becomes a
// column; empty: none.
absl::StatusOr<LabelledImages> ImagesOfArrays(std::shared_ptr<ArrayFile> file,
                                              const std::string& group = "");
// The same with the labels in a file of their own.
absl::StatusOr<LabelledImages> ImagesOfArrays(std::shared_ptr<ArrayFile> images,
                                              const ArrayFile& labels,
                                              const std::string& group = "");
// The images alone, whatever labels the file holds.
absl::StatusOr<LabelledImages> UnlabelledImagesOfArrays(std::shared_ptr<ArrayFile> file,
                                                        const std::string& group = "");

// A WebDataset shard: a tar in which KEY.jpg, KEY.png or KEY.image.jpg goes with KEY.cls (a class
// or its number: column "cls") or KEY.json, KEY.labels.json (an object: a column for each of its
// members that is text, a number or a boolean). Ids are the keys, without their folders.
// DATA_INVALID naming shard and key of a label file that is none of these, is larger than 1 MiB or
// holds a number that is not finite.
absl::StatusOr<LabelledImages> ImagesOfShard(const std::string& resolved);

// A Parquet file with a column of images: the first one of bytes, or of structs of bytes and path,
// as the Hugging Face library writes them. Ids are the column "id_str", "id", "image_id" or "objid"
// where its values are all different, else the names of the images, else row numbers from 0.
absl::StatusOr<LabelledImages> ImagesOfParquet(const std::string& resolved);

}  // namespace skytrain::data
