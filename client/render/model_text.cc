#include "client/render/model_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/render/format.h"
#include "client/render/report.h"
#include "common/timestamp.h"

namespace skytrain::client {
namespace {

void AddLine(std::string& text, absl::string_view what, absl::string_view value) {
  text += FieldLine(what, value, 9);
}

// Of ImageNet's thousand the first are enough.
std::string ClassesText(const v1::Model& model) {
  constexpr int kMost = 50;
  const int shown = std::min(model.classes_size(), kMost);
  const std::string names =
      Printable(absl::StrJoin(model.classes().begin(), model.classes().begin() + shown, ", "));
  if (shown == model.classes_size()) return names;
  return absl::StrCat(names, ", … (", FormatCount(model.classes_size()), " in all)");
}

std::string DataText(const v1::Model& model) {
  std::vector<std::string> parts;
  if (!model.dataset().empty()) parts.push_back(Printable(ShortName(model.dataset())));
  if (!model.data_fingerprint().empty()) {
    parts.push_back(absl::StrCat("fingerprint ", FormatSha256(model.data_fingerprint())));
  }
  return absl::StrJoin(parts, "   ");
}

}  // namespace

std::string ModelText(const v1::Model& model, absl::Time now, const Terminal& terminal) {
  std::string text =
      absl::StrCat(ShortName(model.name()), "   ", Printable(model.family()), ", ",
                   FormatMillions(model.parameters()), " parameters; of ", Printable(model.owner()),
                   ", ", FormatAge(now - ToTime(model.create_time())), " ago\n");
  AddLine(text, "aliases", Printable(absl::StrJoin(model.aliases(), ", ")));
  if (model.job().empty()) {
    AddLine(
        text, "source",
        absl::StrCat("imported", model.source().empty() ? "" : ": ", Printable(model.source())));
  } else {
    AddLine(text, "job", ShortName(model.job()));
  }
  AddLine(text, "parent", ShortName(model.parent()));
  AddLine(text, "data", DataText(model));
  AddLine(text, "classes", ClassesText(model));
  for (const v1::EvaluationReport& report : model.reports()) {
    AddLine(text, Printable(report.split()), ReportLine(report));
  }
  for (const v1::ModelFile& file : model.files()) {
    AddLine(text, "file",
            absl::StrCat(Printable(file.name()), "  ", FormatBytes(file.size_bytes()), "  sha256 ",
                         FormatSha256(file.sha256())));
  }
  AddLine(text, "fetch", absl::StrCat("skytrain fetch ", ShortName(model.name()), " -o DIR"));
  for (const v1::EvaluationReport& report : model.reports()) {
    if (report.split() == "test") text += ConfusionTable(report, terminal.width);
  }
  return text;
}

}  // namespace skytrain::client
