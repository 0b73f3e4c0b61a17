// Images in the rows of an array.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/groups.h"
#include "server/data/labelled_images.h"
#include "server/data/parallel.h"

namespace skytrain::data {
namespace {

// Reads are of about this many bytes: many rows of small images at once.
constexpr uint64_t kBlockBytes = 4 << 20;

struct Layout {
  int64_t height = 0, width = 0;
  int channels = 0;     // 1 or 3.
  bool planar = false;  // [n, 3, height, width]
};

std::string Contents(const ArrayFile& file) {
  if (file.arrays().empty()) return "no arrays of numbers";
  return absl::StrJoin(file.arrays(), "; ", [](std::string* out, const ArrayInfo& array) {
    absl::StrAppend(out, array.ToString());
  });
}

absl::StatusOr<Layout> LayoutOf(const ArrayFile& file, const ArrayInfo& array) {
  const std::vector<int64_t>& shape = array.shape;
  Layout layout;
  if (shape.size() == 3) {
    layout = {shape[1], shape[2], 1, false};
  } else if (shape.size() == 4 && (shape[3] == 3 || shape[3] == 1)) {
    layout = {shape[1], shape[2], static_cast<int>(shape[3]), false};
  } else if (shape.size() == 4 && (shape[1] == 3 || shape[1] == 1)) {
    layout = {shape[2], shape[3], static_cast<int>(shape[1]), shape[1] == 3};
  }
  if (array.type != ElementType::kUint8 || layout.channels == 0) {
    return DataInvalid(absl::StrCat(
        Quotable(file.path()), ": ", array.ToString(),
        " cannot be read as images; expected is uint8 [n, height, width], [n, height, width, 3] or "
        "[n, 3, height, width]"));
  }
  if (layout.height > kLargestSide || layout.width > kLargestSide) {
    return DataInvalid(absl::StrCat(Quotable(file.path()), ": ", array.ToString(),
                                    ": the sides of an image are at most ", kLargestSide));
  }
  return layout;
}

// Each row as an image in the PNM format, which is its numbers behind a line of text.
class ArrayImages : public Container {
 public:
  ArrayImages(std::shared_ptr<ArrayFile> file, const ArrayInfo& array, const Layout& layout)
      : Container(file->path()),
        file_(std::move(file)),
        array_(array),
        layout_(layout),
        header_(absl::StrCat(layout.channels == 3 ? "P6\n" : "P5\n", layout.width, " ",
                             layout.height, "\n255\n")) {
    entries_.reserve(array.rows());
    for (int64_t row = 0; row < array.rows(); ++row) {
      entries_.push_back({absl::StrCat(array.name, "[", row, "]"), array.row_bytes(),
                          static_cast<uint64_t>(row), ""});
    }
  }

  std::optional<ImageSize> image_size() const override {
    return ImageSize{static_cast<int>(layout_.width), static_cast<int>(layout_.height)};
  }

  absl::Status Read(const std::vector<size_t>& wanted, int threads,
                    const Sink& sink) const override {
    const std::vector<Run> runs = RunsOf(wanted);
    std::atomic<bool> stop{false};
    return ParallelFor(runs.size(), threads, stop, [&](size_t r) -> absl::Status {
      thread_local std::string rows, image;
      RETURN_IF_ERROR(file_->ReadRows(array_, runs[r].begin, runs[r].count, rows));
      const size_t row_bytes = array_.row_bytes();
      for (int64_t i = 0; i < runs[r].count && !stop.load(); ++i) {
        image.assign(header_);
        AppendPixels(absl::string_view(rows).substr(i * row_bytes, row_bytes), image);
        if (!sink(static_cast<size_t>(runs[r].begin + i), image)) stop.store(true);
      }
      return absl::OkStatus();
    });
  }

 private:
  // Rows that follow one another and are read at once.
  struct Run {
    int64_t begin = 0, count = 0;
  };

  std::vector<Run> RunsOf(std::vector<size_t> wanted) const {
    std::sort(wanted.begin(), wanted.end());
    const auto most = static_cast<int64_t>(std::max<uint64_t>(kBlockBytes / array_.row_bytes(), 1));
    std::vector<Run> runs;
    for (const size_t entry : wanted) {
      const auto row = static_cast<int64_t>(entry);
      if (runs.empty() || runs.back().begin + runs.back().count != row ||
          runs.back().count == most) {
        runs.push_back({row, 0});
      }
      ++runs.back().count;
    }
    return runs;
  }

  void AppendPixels(absl::string_view row, std::string& image) const {
    if (!layout_.planar) {
      image.append(row.data(), row.size());
      return;
    }
    const size_t plane = row.size() / 3, begin = image.size();
    image.resize(begin + row.size());
    for (size_t i = 0; i < plane; ++i) {
      for (size_t c = 0; c < 3; ++c) image[begin + 3 * i + c] = row[c * plane + i];
    }
  }

  const std::shared_ptr<ArrayFile> file_;
  const ArrayInfo& array_;  // Of file_.
  const Layout layout_;
  const std::string header_;
};

// The array that has one of `names`, whatever the case, else the only one for which `fits` is true.
// Null: none, or many.
template <typename Names, typename Fits>
const ArrayInfo* Choose(const ArrayFile& file, const Names& names, const Fits& fits) {
  for (const absl::string_view name : names) {
    for (const ArrayInfo& array : file.arrays()) {
      if (absl::EqualsIgnoreCase(array.name, name)) return &array;
    }
  }
  const ArrayInfo* chosen = nullptr;
  for (const ArrayInfo& array : file.arrays()) {
    if (!fits(array)) continue;
    if (chosen != nullptr) return nullptr;
    chosen = &array;
  }
  return chosen;
}

absl::StatusOr<const ArrayInfo*> ChooseImages(const ArrayFile& file) {
  constexpr absl::string_view kNames[] = {"images", "image", "x", "data"};
  const ArrayInfo* array = Choose(
      file, kNames, [](const ArrayInfo& a) { return a.shape.size() == 3 || a.shape.size() == 4; });
  if (array != nullptr) return array;
  return DataInvalid(
      absl::StrCat(Quotable(file.path()), " has no array \"images\"; it holds ", Contents(file)));
}

absl::StatusOr<const ArrayInfo*> ChooseLabels(const ArrayFile& file) {
  constexpr absl::string_view kNames[] = {"labels", "label", "ans", "y", "target", "targets"};
  const ArrayInfo* array = Choose(
      file, kNames, [](const ArrayInfo& a) { return a.shape.size() == 1 && IsInteger(a.type); });
  if (array != nullptr) return array;
  return DataInvalid(
      absl::StrCat(Quotable(file.path()), " has no array \"labels\"; it holds ", Contents(file)));
}

// The numbers of an array of one dimension, as text that gives the same value again.
absl::StatusOr<std::vector<std::string>> CellsOf(const ArrayFile& file, const ArrayInfo& array) {
  std::vector<std::string> cells;
  if (IsInteger(array.type)) {
    ASSIGN_OR_RETURN(const std::vector<int64_t> numbers, ReadIntegers(file, array));
    for (const int64_t number : numbers) cells.push_back(absl::StrCat(number));
    return cells;
  }
  std::string bytes;
  RETURN_IF_ERROR(file.ReadRows(array, 0, array.rows(), bytes));
  const size_t size = SizeOf(array.type);
  for (size_t at = 0; at < bytes.size(); at += size) {
    double number;
    if (array.type == ElementType::kFloat32) {
      float value;
      std::memcpy(&value, bytes.data() + at, sizeof(value));
      number = value;
    } else {
      std::memcpy(&number, bytes.data() + at, sizeof(number));
    }
    cells.push_back(absl::StrFormat("%.17g", number));
  }
  return cells;
}

absl::Status AddColumn(const ArrayFile& file, const ArrayInfo& array, const std::string& name,
                       TextTable& table) {
  ASSIGN_OR_RETURN(std::vector<std::string> cells, CellsOf(file, array));
  table.header.push_back(name);
  table.columns.push_back(std::move(cells));
  return absl::OkStatus();
}

bool HasColumn(const TextTable& table, absl::string_view name) {
  return std::find(table.header.begin(), table.header.end(), name) != table.header.end();
}

// Whether `array` has one number for each row of `table`.
bool IsOneARow(const ArrayInfo& array, const TextTable& table) {
  return array.shape.size() == 1 && array.rows() == static_cast<int64_t>(table.rows());
}

// Adds arrays of floating point numbers named "ra" and "dec", one a row, to `table`.
absl::Status AddPositions(const ArrayFile& file, TextTable& table) {
  for (const char* name : {"ra", "dec"}) {
    const ArrayInfo* array = file.Find(name);
    if (array == nullptr || IsInteger(array->type) || !IsOneARow(*array, table)) continue;
    RETURN_IF_ERROR(AddColumn(file, *array, name, table));
  }
  return absl::OkStatus();
}

// Adds the array `group`, one number a row, unless `table` has it already.
absl::Status AddGroup(const ArrayFile& file, const std::string& group, TextTable& table) {
  if (group.empty() || HasColumn(table, group)) return absl::OkStatus();
  const ArrayInfo* array = file.Find(group);
  if (array != nullptr && IsOneARow(*array, table)) return AddColumn(file, *array, group, table);
  ASSIGN_OR_RETURN(const std::optional<double> cell, SkyCellIn(group));
  if (cell.has_value()) return absl::OkStatus();
  std::vector<std::string> columns = table.header;
  for (const ArrayInfo& other : file.arrays()) {
    if (IsOneARow(other, table) && !HasColumn(table, other.name)) columns.push_back(other.name);
  }
  return DataInvalid(absl::StrCat(
      "data.splits.group: ", Quotable(file.path()), " has no array \"", Quotable(group),
      "\" of one number for each image",
      array == nullptr ? "" : absl::StrCat(", but ", array->ToString()), "; it has ",
      columns.empty() ? "none" : SomeOf(columns, static_cast<int64_t>(columns.size()), 20)));
}

// Rows of `array` without a label.
absl::StatusOr<LabelledImages> RowsOf(std::shared_ptr<ArrayFile> file, const ArrayInfo& array) {
  ASSIGN_OR_RETURN(const Layout layout, LayoutOf(*file, array));
  constexpr int64_t kMostImages = 20'000'000;
  if (array.rows() > kMostImages) {
    return DataInvalid(absl::StrCat(Quotable(file->path()), ": ", array.ToString(),
                                    " has more than ", Grouped(kMostImages), " images"));
  }
  LabelledImages found;
  found.ids_are_rows = true;
  found.table.path = file->path();
  found.table.line_word = "image";
  for (int64_t row = 0; row < array.rows(); ++row) {
    found.ids.push_back(absl::StrCat(row));
    found.table.lines.push_back(row);
  }
  RETURN_IF_ERROR(AddPositions(*file, found.table));
  found.container = std::make_unique<ArrayImages>(std::move(file), array, layout);
  return found;
}

}  // namespace

absl::StatusOr<LabelledImages> ImagesOfArrays(std::shared_ptr<ArrayFile> images,
                                              const ArrayFile& labels, const std::string& group) {
  ASSIGN_OR_RETURN(const ArrayInfo* image_array, ChooseImages(*images));
  ASSIGN_OR_RETURN(const ArrayInfo* label_array, ChooseLabels(labels));
  RETURN_IF_ERROR(LayoutOf(*images, *image_array).status());
  if (label_array->shape.size() != 1 || label_array->rows() != image_array->rows()) {
    return DataInvalid(absl::StrCat(Quotable(images->path()), ": ", image_array->ToString(),
                                    " and ", label_array->ToString(), " of ",
                                    Quotable(labels.path()), " do not match"));
  }
  // `labels` may be the same file: it lives as long as the container.
  const ArrayFile& file = *images;
  ASSIGN_OR_RETURN(LabelledImages found, RowsOf(std::move(images), *image_array));
  ASSIGN_OR_RETURN(const std::vector<int64_t> numbers, ReadIntegers(labels, *label_array));
  found.table.header.emplace_back("labels");
  std::vector<std::string>& labels_column = found.table.columns.emplace_back();
  for (const int64_t number : numbers) labels_column.push_back(absl::StrCat(number));
  RETURN_IF_ERROR(AddGroup(file, group, found.table));
  return found;
}

absl::StatusOr<LabelledImages> UnlabelledImagesOfArrays(std::shared_ptr<ArrayFile> file,
                                                        const std::string& group) {
  ASSIGN_OR_RETURN(const ArrayInfo* array, ChooseImages(*file));
  const ArrayFile& arrays = *file;  // Lives as long as the container.
  ASSIGN_OR_RETURN(LabelledImages found, RowsOf(std::move(file), *array));
  RETURN_IF_ERROR(AddGroup(arrays, group, found.table));
  return found;
}

absl::StatusOr<LabelledImages> ImagesOfArrays(std::shared_ptr<ArrayFile> file,
                                              const std::string& group) {
  const ArrayFile& labels = *file;
  return ImagesOfArrays(std::move(file), labels, group);
}

}  // namespace skytrain::data
