// WebDataset shards: a tar in which an image and its label files share a key.
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"
#include "server/data/archive_reader.h"
#include "server/data/data_errors.h"
#include "server/data/labelled_images.h"
#include "server/data/paths.h"
#include "server/data/sample_index.h"

namespace skytrain::data {
namespace {

constexpr uint64_t kLargestLabelFile = 1 << 20;
constexpr size_t kMostMembers = 4096;  // Of one object.

using Cells = std::map<std::string, std::string>;

// The members of one JSON object that are text, numbers or booleans; others are passed over.
// Numbers keep the digits that the file has.
class MembersReader : public nlohmann::json::json_sax_t {
 public:
  explicit MembersReader(Cells& cells) : cells_(cells) {}
  const std::string& problem() const { return problem_; }

  bool null() override { return Value(""); }
  bool boolean(bool value) override { return Value(value ? "1" : "0"); }
  bool number_integer(number_integer_t value) override { return Value(absl::StrCat(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Value(absl::StrCat(value)); }
  bool number_float(number_float_t, const string_t& digits) override { return Value(digits); }
  bool string(string_t& value) override { return Value(value); }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& name) override {
    if (depth_ == 1) key_ = name;
    return true;
  }
  bool start_object(size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t) override {
    if (depth_ == 0) return Fail("is a JSON array, not an object");
    return Enter();
  }
  bool end_array() override { return Leave(); }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    return Fail(absl::StrCat("is no JSON, from byte ", position));
  }

 private:
  bool Fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool Enter() { return ++depth_ <= 64 || Fail("is nested too deeply"); }
  bool Leave() {
    --depth_;
    return true;
  }
  bool Value(absl::string_view text) {
    if (depth_ == 0) return Fail("is a JSON value, not an object");
    if (depth_ > 1) return true;
    if (!cells_.emplace(key_, text).second) {
      return Fail(absl::StrCat("has \"", Quotable(key_), "\" twice"));
    }
    return cells_.size() <= kMostMembers || Fail("has too many members");
  }

  Cells& cells_;
  int depth_ = 0;
  std::string key_, problem_;
};

// The name without its last suffix and, before that, a word that says what the file is. What else
// has points stays whole, other than in WebDataset: ids do have them.
std::string KeyOf(absl::string_view name, absl::string_view word) {
  const size_t point = name.rfind('.'), slash = name.rfind('/');
  const bool in_name = slash == absl::string_view::npos || point > slash;
  if (point != absl::string_view::npos && in_name) name = name.substr(0, point);
  absl::ConsumeSuffix(&name, word);
  return std::string(name);
}

class Shard {
 public:
  explicit Shard(const std::string& path) : path_(path) {}

  absl::Status ReadLabels(ArchiveReader::Format format) {
    ASSIGN_OR_RETURN(const auto reader, ArchiveReader::Open(path_, format));
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader->Next());
      if (!more) return absl::OkStatus();
      const std::string& name = reader->name();
      if (!IsLabelFile(name) || !reader->is_file() || !reader->problem().empty()) continue;
      if (IsHiddenPath(name)) continue;
      if (reader->size() > kLargestLabelFile) return Wrong(name, "is larger than 1 MiB");
      std::string bytes;
      RETURN_IF_ERROR(reader->ReadAll(bytes));
      RETURN_IF_ERROR(AddLabels(name, bytes));
    }
  }

  absl::StatusOr<LabelledImages> Join(std::unique_ptr<Container> images) {
    LabelledImages found;
    found.table.path = path_;
    found.table.line_word = "image";
    found.table.header.assign(columns_.begin(), columns_.end());
    found.table.columns.resize(columns_.size());
    int64_t number = 0;
    for (const Entry& entry : images->entries()) {
      const std::string key = KeyOf(entry.path, ".image");
      const auto cells = labels_.find(key);
      size_t c = 0;
      for (const std::string& name : columns_) {
        std::string& cell = found.table.columns[c++].emplace_back();
        if (cells == labels_.end()) continue;
        const auto value = cells->second.find(name);
        if (value != cells->second.end()) cell = value->second;
      }
      if (cells != labels_.end()) labels_.erase(cells);
      found.table.lines.push_back(++number);
      found.ids.push_back(key.substr(key.rfind('/') + 1));
    }
    std::set<std::string> alone;
    for (const auto& [key, unused] : labels_) alone.insert(key);
    for (const std::string& key : alone) {
      AddProblem(found.problems, "label_without_image", absl::StrCat(path_, ": ", key));
    }
    found.container = std::move(images);
    return found;
  }

 private:
  absl::Status Wrong(absl::string_view name, absl::string_view what) const {
    return DataInvalid(absl::StrCat(Quotable(path_), ": ", Quotable(name), " ", what));
  }

  absl::Status AddLabels(const std::string& name, absl::string_view bytes) {
    if (!IsValidUtf8(bytes)) return Wrong(name, "holds text that is not UTF-8");
    const bool json = absl::EndsWith(name, ".json");
    Cells cells;
    if (json) {
      MembersReader reader(cells);
      if (!nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &reader)) {
        return Wrong(name, reader.problem());
      }
    } else {
      const absl::string_view label = absl::StripAsciiWhitespace(bytes);
      if (label.empty()) return Wrong(name, "is empty");
      if (label.find('\n') != absl::string_view::npos) return Wrong(name, "has several lines");
      cells["cls"] = std::string(label);
    }
    Cells& known = labels_[KeyOf(name, ".labels")];
    for (auto& [column, value] : cells) {
      if (!known.emplace(column, value).second) {
        return Wrong(name, absl::StrCat("says \"", Quotable(column), "\" a second time"));
      }
      columns_.insert(column);
    }
    if (columns_.size() > kMostColumns) return Wrong(name, "makes for too many columns");
    cells_ += cells.size();
    if (cells_ > kMostCells) return Wrong(name, "makes for too many labels");
    return absl::OkStatus();
  }

  const std::string& path_;
  absl::flat_hash_map<std::string, Cells> labels_;  // By key.
  std::set<std::string> columns_;
  size_t cells_ = 0;
};

}  // namespace

bool IsLabelFile(absl::string_view path) {
  return absl::EndsWith(path, ".cls") || absl::EndsWith(path, ".json");
}

absl::StatusOr<LabelledImages> ImagesOfShard(const std::string& resolved) {
  ASSIGN_OR_RETURN(const FileKind kind, KindOf(resolved));
  ASSIGN_OR_RETURN(auto images, OpenContainer(resolved, {}));
  Shard shard(resolved);
  RETURN_IF_ERROR(shard.ReadLabels(kind == FileKind::kTar ? ArchiveReader::Format::kTar
                                                          : ArchiveReader::Format::kCompressedTar));
  return shard.Join(std::move(images));
}

}  // namespace skytrain::data
