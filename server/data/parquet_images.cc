// Parquet files with a column of images, as the Hugging Face library writes data sets.
#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"
#include "server/data/labelled_images.h"
#include "server/data/parallel.h"
#include "server/data/parquet/parquet.h"

namespace skytrain::data {
namespace {

// Reads one row group at a time; its images are looked at by all threads.
class ParquetRows : public Container {
 public:
  ParquetRows(const std::string& path, const ParquetFile& file, int column,
              const std::vector<std::string>& names)
      : Container(path), column_(column) {
    for (size_t row = 0; row < names.size(); ++row) {
      const std::string& name = names[row];
      entries_.push_back(
          {absl::StrCat("row ", row + 1, name.empty() ? "" : absl::StrCat(" (", name, ")")), 0, row,
           ""});
    }
    for (const int64_t rows : file.group_rows()) {
      group_begins_.push_back(static_cast<size_t>(rows) + group_begins_.back());
    }
  }

  absl::Status Read(const std::vector<size_t>& wanted, int threads,
                    const Sink& sink) const override {
    ASSIGN_OR_RETURN(const auto file, OpenParquet(path_));
    std::vector<size_t> rows = wanted;
    std::sort(rows.begin(), rows.end());
    auto begin = rows.begin();
    for (size_t group = 0; group + 1 < group_begins_.size(); ++group) {
      const auto end = std::lower_bound(begin, rows.end(), group_begins_[group + 1]);
      if (begin == end) continue;
      ParquetImages images;
      const std::string error = file->ReadImages(column_, static_cast<int>(group), images);
      const size_t first = group_begins_[group];
      if (!error.empty() || images.bytes.size() != group_begins_[group + 1] - first) {
        return DataInvalid(absl::StrCat(Quotable(path_), ": the images of rows ", first + 1, " to ",
                                        group_begins_[group + 1],
                                        " cannot be read: ", Quotable(error)));
      }
      std::atomic<bool> stop{false};
      RETURN_IF_ERROR(ParallelFor(static_cast<size_t>(end - begin), threads, stop, [&](size_t i) {
        const size_t row = begin[static_cast<std::ptrdiff_t>(i)];
        const std::string_view bytes = images.bytes[row - first];
        if (!sink(row, absl::string_view(bytes.data(), bytes.size()))) stop.store(true);
        return absl::OkStatus();
      }));
      if (stop.load()) return absl::OkStatus();
      begin = end;
    }
    return absl::OkStatus();
  }

 private:
  const int column_;
  std::vector<size_t> group_begins_{0};  // And where the last one ends.
};

bool AllDifferent(const std::vector<std::string>& texts) {
  const std::set<std::string> distinct(texts.begin(), texts.end());
  return distinct.size() == texts.size() && distinct.count("") == 0;
}

// A column of ids, else the names of the image files, else nothing.
std::vector<std::string> IdsOf(const TextTable& table, const std::vector<std::string>& paths) {
  for (const char* name : {"id_str", "id", "image_id", "objid"}) {
    const auto found = std::find(table.header.begin(), table.header.end(), name);
    if (found == table.header.end()) continue;
    const std::vector<std::string>& ids = table.columns[found - table.header.begin()];
    if (AllDifferent(ids)) return ids;
  }
  std::vector<std::string> stems;
  for (const std::string& path : paths) stems.push_back(StemOf(path));
  return AllDifferent(stems) ? stems : std::vector<std::string>();
}

}  // namespace

absl::StatusOr<LabelledImages> ImagesOfParquet(const std::string& resolved) {
  ASSIGN_OR_RETURN(const auto file, OpenParquet(resolved));
  const int column = ImageColumnOf(*file);
  if (column < 0) {
    std::vector<std::string> columns;
    for (const ParquetColumn& c : file->columns()) columns.push_back(c.name + " " + c.type);
    return DataInvalid(absl::StrCat(Quotable(resolved),
                                    " has no column of images (bytes, or a struct of bytes and "
                                    "path); it has ",
                                    SomeOf(columns, static_cast<int64_t>(columns.size()), 20)));
  }
  LabelledImages found;
  ASSIGN_OR_RETURN(found.table, ReadParquetTable(*file, resolved, {}));
  std::vector<std::string> paths;
  const std::string error = file->ReadPaths(column, paths);
  if (!error.empty() || paths.size() != found.table.rows()) {
    return DataInvalid(absl::StrCat(Quotable(resolved), ": column \"",
                                    Quotable(file->columns()[column].name),
                                    "\" cannot be read: ", Quotable(error)));
  }
  for (std::string& path : paths) {
    if (!IsValidUtf8(path) || path.size() > kLongestName) path.clear();
  }
  found.ids = IdsOf(found.table, paths);
  found.ids_are_rows = found.ids.empty();
  for (size_t r = 0; found.ids_are_rows && r < paths.size(); ++r) {
    found.ids.push_back(absl::StrCat(r));
  }
  found.container = std::make_unique<ParquetRows>(resolved, *file, column, paths);
  return found;
}

}  // namespace skytrain::data
