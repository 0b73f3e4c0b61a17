#include "server/probe/answer.h"

#include "absl/strings/str_cat.h"
#include "server/spec/check.h"
#include "server/spec/violations.h"

namespace skytrain {

std::string Summary(const v1::DatasetManifest& manifest) {
  const auto grouped = &spec::Violations::Grouped;
  std::string text = absl::StrCat(manifest.path(), "\n  ", grouped(manifest.count()));
  if (manifest.format() == v1::DatasetManifest::FORMAT_TABLE) {
    absl::StrAppend(&text, " rows, ", manifest.columns_size(), " features, class in \"",
                    manifest.target(), "\"\n");
  } else {
    absl::StrAppend(&text, " images, ", manifest.min_width(), "x", manifest.min_height());
    if (manifest.max_width() != manifest.min_width() ||
        manifest.max_height() != manifest.min_height()) {
      absl::StrAppend(&text, " to ", manifest.max_width(), "x", manifest.max_height());
    }
    absl::StrAppend(&text, " pixels\n");
  }
  for (const auto& c : manifest.classes()) {
    absl::StrAppend(&text, "  class ", c.name(), ": ", grouped(c.count()), "\n");
  }
  for (const auto& split : manifest.splits()) {
    absl::StrAppend(&text, "  split ", split.name(), ": ", grouped(split.count()), "\n");
  }
  for (const auto& problem : manifest.problems()) {
    absl::StrAppend(&text, "  problem ", problem.kind(), ": ", grouped(problem.count()));
    for (const std::string& name : problem.names()) absl::StrAppend(&text, "\n    ", name);
    absl::StrAppend(&text, "\n");
  }
  if (const std::string hint = spec::DataWarning({}, manifest); !hint.empty()) {
    absl::StrAppend(&text, "  hint: ", hint, "\n");
  }
  return text;
}

}  // namespace skytrain
