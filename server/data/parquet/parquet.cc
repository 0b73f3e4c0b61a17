#include "server/data/parquet/parquet.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

constexpr char kLibrary[] = "libskytrain_parquet.so";

// Beside the program, or, for a test of the build tree, in the bin folder beside the program's.
void* OpenLibrary() {
  char program[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof(program));
  std::string folder(program, length > 0 ? static_cast<size_t>(length) : 0);
  folder.resize(folder.rfind('/') + 1);
  void* library = nullptr;
  for (const char* place : {"", "../bin/"}) {
    library = dlopen(absl::StrCat(folder, place, kLibrary).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  return library;
}

// A function of the library. `what`: what cannot be done without it.
template <typename Function>
absl::StatusOr<Function> Load(const char* name, absl::string_view what) {
  static void* const library = OpenLibrary();  // Never closed.
  void* function = library == nullptr ? nullptr : dlsym(library, name);
  if (function == nullptr) {
    return DataInvalid(absl::StrCat("this installation of skytrain cannot ", what, " Parquet: ",
                                    kLibrary, " is not beside its programs, or does not load"));
  }
  return reinterpret_cast<Function>(function);
}

// The names of the classes of each column, from Hugging Face's notes.
std::map<std::string, std::vector<std::string>> ClassNames(const std::string& notes) {
  constexpr size_t kLongestNotes = 4 << 20;
  std::map<std::string, std::vector<std::string>> names;
  if (notes.size() > kLongestNotes) return names;
  const auto json = nlohmann::json::parse(notes, nullptr, /*allow_exceptions=*/false);
  const auto member = [](const nlohmann::json* at, const char* key) -> const nlohmann::json* {
    if (at == nullptr || !at->is_object() || !at->contains(key)) return nullptr;
    return &at->at(key);
  };
  const nlohmann::json* features = member(member(&json, "info"), "features");
  if (features == nullptr || !features->is_object()) return names;
  for (const auto& [column, feature] : features->items()) {
    const nlohmann::json* list = member(&feature, "names");
    if (list == nullptr || !list->is_array()) continue;
    std::vector<std::string> of_column;
    for (const nlohmann::json& name : *list) {
      if (name.is_string()) of_column.push_back(name.get<std::string>());
    }
    if (of_column.size() == list->size()) names[column] = std::move(of_column);
  }
  return names;
}

// Numbers of classes to their names.
absl::Status NameClasses(const std::vector<std::string>& names, size_t column, TextTable& table) {
  for (size_t r = 0; r < table.rows(); ++r) {
    std::string& cell = table.columns[column][r];
    int64_t number;
    if (cell.empty() || !absl::SimpleAtoi(cell, &number)) continue;
    if (number < -1 || number >= static_cast<int64_t>(names.size())) {
      return DataInvalid(absl::StrCat(table.Where(r, column), " is ", number, ", but there are ",
                                      names.size(), " classes"));
    }
    cell = number < 0 ? "" : names[number];
  }
  return absl::OkStatus();
}

absl::Status CheckCells(const TextTable& table, size_t column) {
  for (size_t r = 0; r < table.rows(); ++r) {
    if (!IsValidUtf8(table.cell(r, column))) {
      return DataInvalid(absl::StrCat(table.Where(r, column), " is text that is not UTF-8"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ParquetFile>> OpenParquet(const std::string& resolved) {
  ASSIGN_OR_RETURN(const ParquetOpener open, Load<ParquetOpener>(kParquetOpener, "read"));
  std::string error;
  std::unique_ptr<ParquetFile> file(open(resolved.c_str(), &error));
  if (file != nullptr) return file;
  return DataInvalid(
      absl::StrCat(Quotable(resolved), " cannot be read as Parquet: ", Quotable(error)));
}

absl::StatusOr<TextTable> ReadParquetTable(const ParquetFile& file, const std::string& path,
                                           const std::set<std::string>& wanted) {
  TextTable table;
  table.path = path;
  table.line_word = "row";
  std::vector<int> columns;
  std::set<std::string> names;
  for (size_t c = 0; c < file.columns().size(); ++c) {
    const ParquetColumn& column = file.columns()[c];
    if (column.kind != ParquetColumn::Kind::kCells) continue;
    if (!IsValidUtf8(column.name) || !names.insert(column.name).second) {
      return DataInvalid(absl::StrCat(Quotable(path), ": two columns are named \"",
                                      Quotable(column.name), "\", or it is no text"));
    }
    table.header.push_back(column.name);
    columns.push_back(static_cast<int>(c));
  }
  const size_t read = wanted.empty() ? columns.size() : wanted.size();
  if (columns.size() > kMostColumns ||
      file.rows() > static_cast<int64_t>(kMostCells / std::max<size_t>(read, 1))) {
    return DataInvalid(absl::StrCat(Quotable(path), ": ", Grouped(file.rows()), " rows of ",
                                    columns.size(), " columns are more than ", Grouped(kMostCells),
                                    " cells"));
  }
  if (file.rows() == 0) return DataInvalid(absl::StrCat(Quotable(path), " has no rows"));
  for (int64_t r = 1; r <= file.rows(); ++r) table.lines.push_back(r);
  table.columns.resize(columns.size());
  const auto class_names = ClassNames(file.huggingface());
  for (size_t c = 0; c < columns.size(); ++c) {
    if (!wanted.empty() && wanted.count(table.header[c]) == 0) continue;
    const std::string error = file.ReadCells(columns[c], table.columns[c]);
    if (!error.empty() || table.columns[c].size() != table.rows()) {
      return DataInvalid(absl::StrCat(Quotable(path), ": column \"", Quotable(table.header[c]),
                                      "\" cannot be read: ", Quotable(error)));
    }
    RETURN_IF_ERROR(CheckCells(table, c));
    const auto named = class_names.find(table.header[c]);
    if (named != class_names.end()) RETURN_IF_ERROR(NameClasses(named->second, c, table));
  }
  return table;
}

int ImageColumnOf(const ParquetFile& file) {
  for (size_t c = 0; c < file.columns().size(); ++c) {
    if (file.columns()[c].kind == ParquetColumn::Kind::kImages) return static_cast<int>(c);
  }
  return -1;
}

absl::StatusOr<std::unique_ptr<ParquetOutput>> CreateParquet(
    const std::vector<TableColumn>& columns, ParquetSink sink) {
  ASSIGN_OR_RETURN(const auto create, Load<ParquetCreator>(kParquetCreator, "write"));
  std::string error;
  std::unique_ptr<ParquetOutput> output(create(columns, std::move(sink), &error));
  if (output != nullptr) return output;
  return absl::InternalError(absl::StrCat("Parquet cannot be written: ", error));
}

}  // namespace skytrain::data
