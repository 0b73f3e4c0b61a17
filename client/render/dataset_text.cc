#include "client/render/dataset_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/render/format.h"
#include "client/render/job_text.h"
#include "client/render/table.h"
#include "common/timestamp.h"
#include "common/yaml/yaml_message.h"

namespace skytrain::client {
namespace {

using v1::DatasetManifest;

// Classes that are shown; more are names of objects rather than classes.
constexpr int kMaxClasses = 50;
constexpr int kMaxColumns = 12;

std::string AgeOf(const v1::Dataset& dataset, absl::Time now) {
  return FormatAge(now - ToTime(dataset.create_time()));
}

// "image folder", "images with table".
std::string FormatName(DatasetManifest::Format format) {
  const auto* value = DatasetManifest::Format_descriptor()->FindValueByNumber(format);
  if (value == nullptr || format == DatasetManifest::FORMAT_UNSPECIFIED) return "";
  return absl::StrReplaceAll(yaml::ShortEnumName(*value), {{"_", " "}});
}

std::string SidesText(const DatasetManifest& manifest) {
  if (manifest.max_width() == 0) return "";
  std::string text = absl::StrCat(manifest.min_width(), "x", manifest.min_height());
  if (manifest.min_width() != manifest.max_width() ||
      manifest.min_height() != manifest.max_height()) {
    absl::StrAppend(&text, " to ", manifest.max_width(), "x", manifest.max_height());
  }
  return text + " pixels";
}

// A class a row, a split a column.
std::string ClassTable(const DatasetManifest& manifest, int width) {
  if (manifest.classes().empty()) return "";
  std::vector<Table::Column> columns = {{"CLASS"}, {"COUNT", Table::Align::kRight}};
  for (const auto& split : manifest.splits()) {
    columns.push_back({Printable(split.name()), Table::Align::kRight});
  }
  Table table(columns);
  for (int c = 0; c < manifest.classes_size() && c < kMaxClasses; ++c) {
    std::vector<std::string> row = {Printable(manifest.classes(c).name()),
                                    FormatCount(manifest.classes(c).count())};
    for (const auto& split : manifest.splits()) {
      row.push_back(c < split.class_counts_size() ? FormatCount(split.class_counts(c)) : "–");
    }
    table.AddRow(std::move(row));
  }
  std::string text = table.Render(width);
  if (manifest.classes_size() > kMaxClasses) {
    absl::StrAppend(&text, "… and ", Plural(manifest.classes_size() - kMaxClasses, "more class"),
                    "\n");
  }
  return text;
}

std::string ColumnsText(const DatasetManifest& manifest) {
  std::vector<std::string> names;
  for (const std::string& name : manifest.columns()) {
    if (names.size() == kMaxColumns) break;
    names.push_back(Printable(name));
  }
  const int more = manifest.columns_size() - static_cast<int>(names.size());
  return absl::StrCat(absl::StrJoin(names, ", "),
                      more > 0 ? absl::StrCat(" and ", more, " more") : std::string());
}

void AddLine(std::string& text, absl::string_view what, absl::string_view value) {
  text += FieldLine(what, value, 13);
}

}  // namespace

bool ShownDataset::Changed() const {
  return registered.has_value() && manifest.has_value() &&
         registered->manifest().fingerprint() != manifest->fingerprint();
}

std::string SizeText(const DatasetManifest& manifest) {
  const bool table = manifest.format() == DatasetManifest::FORMAT_TABLE;
  std::string text = Plural(manifest.count(), table ? "row" : "image");
  if (manifest.classes_size() > 0) {
    absl::StrAppend(&text, ", ", manifest.classes_size(),
                    manifest.classes_size() == 1 ? " class" : " classes");
  }
  return text;
}

std::string SourceText(const v1::Data& data) {
  if (!data.has_files()) return Printable(data.dataset());
  std::string text;
  for (const std::string& images : data.files().images()) {
    absl::StrAppend(&text, Printable(images), ", ");
  }
  return absl::StrCat(text, Printable(data.files().table()));
}

std::string DatasetText(const ShownDataset& shown, absl::Time now, const Terminal& terminal) {
  std::string text;
  const bool registered = shown.registered.has_value();
  if (registered) {
    const v1::Dataset& dataset = *shown.registered;
    absl::StrAppend(&text, ShortName(dataset.name()), "   registered by ",
                    Printable(dataset.owner()), ", ", AgeOf(dataset, now), " ago\n");
    AddLine(text, "about", Printable(dataset.description()));
    AddLine(text, "files", SourceText(dataset.data()));
    AddLine(text, "id column", Printable(dataset.data().files().id()));
  } else if (shown.manifest.has_value()) {
    absl::StrAppend(&text, Printable(shown.manifest->path()), "\n");
  }
  if (!shown.manifest.has_value()) return text;
  const DatasetManifest& manifest = *shown.manifest;
  const std::string sides = SidesText(manifest);
  AddLine(text, "holds",
          absl::StrCat(SizeText(manifest), sides.empty() ? "" : ", ", sides,
                       FormatName(manifest.format()).empty() ? "" : "; ",
                       FormatName(manifest.format())));
  AddLine(text, "target", Printable(manifest.target()));
  AddLine(text, "columns", ColumnsText(manifest));
  AddLine(text, "problems", ProblemsText(manifest));
  AddLine(text, "fingerprint", FormatSha256(manifest.fingerprint()));
  if (shown.Changed()) {
    AddLine(text, "changed",
            absl::StrCat("its files are not those that were registered (",
                         FormatSha256(shown.registered->manifest().fingerprint()), ", ",
                         SizeText(shown.registered->manifest()), ")"));
  }
  return absl::StrCat(text, ClassTable(manifest, terminal.width));
}

void WriteDataset(const ShownDataset& shown, JsonWriter& json) {
  json.BeginObject();
  if (shown.manifest.has_value()) WriteFields(*shown.manifest, json);
  if (shown.registered.has_value()) {
    v1::Dataset dataset = *shown.registered;
    dataset.set_name(ShortName(dataset.name()));
    dataset.clear_manifest();
    json.Key("registered");
    WriteMessage(dataset, json);
    json.Key("changed");
    json.Bool(shown.Changed());
  }
  json.EndObject();
}

std::string DatasetTable(const std::vector<v1::Dataset>& datasets, absl::Time now,
                         const Terminal& terminal) {
  if (datasets.empty()) return "no data set is registered: skytrain datasets add NAME PATH\n";
  Table table({{"DATA SET"}, {"HOLDS"}, {"FILES"}, {"OWNER"}, {"AGE"}});
  for (const v1::Dataset& dataset : datasets) {
    table.AddRow({ShortName(dataset.name()), SizeText(dataset.manifest()),
                  SourceText(dataset.data()), Printable(dataset.owner()), AgeOf(dataset, now)});
  }
  return table.Render(terminal.width);
}

}  // namespace skytrain::client
