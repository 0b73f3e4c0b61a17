// Which image is which sample of which class: from the folders of an archive, and from a table.
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/utf8.h"
#include "server/data/data_errors.h"
#include "server/data/sources.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace skytrain;

// The names of an archive, one a line; "/" at the end: a folder, "!" in front: not readable.
class Listing final : public data::Container {
 public:
  explicit Listing(absl::string_view names) : Container("images.tar") {
    for (absl::string_view name : absl::StrSplit(names, '\n', absl::SkipEmpty())) {
      // As every container has it.
      if (name.size() > data::kLongestName || !IsValidUtf8(name)) continue;
      if (name.back() == '/') {
        folders_.emplace_back(name.substr(0, name.size() - 1));
        continue;
      }
      data::Entry entry;
      if (absl::ConsumePrefix(&name, "!")) entry.problem = "cut short";
      entry.path = std::string(name);
      entries_.push_back(std::move(entry));
    }
    Sort();
  }
  absl::Status Read(const std::vector<size_t>&, int, const Sink&) const override {
    return absl::OkStatus();
  }
};

void CheckIndex(const absl::StatusOr<data::SampleIndex>& index) {
  if (!index.ok()) {
    fuzz::Check(IsValidUtf8(index.status().message()));
    return;
  }
  const std::set<std::string> classes(index->classes.begin(), index->classes.end());
  fuzz::Check(classes.size() == index->classes.size());
  std::set<std::pair<size_t, size_t>> images;
  std::set<std::string> ids;
  for (const data::Sample& sample : index->samples) {
    fuzz::Check(sample.label >= 0 && sample.label < static_cast<int32_t>(index->classes.size()));
    fuzz::Check(sample.split >= -1 && sample.split < static_cast<int32_t>(index->splits.size()));
    fuzz::Check(index->entry_of(sample).problem.empty());
    fuzz::Check(ids.insert(sample.id).second);
    fuzz::Check(images.emplace(sample.container, sample.entry).second);
  }
  const std::vector<data::ImageReport> reports(index->samples.size(), {"", 8, 8});
  const v1::DatasetManifest manifest = data::MakeManifest(*index, {}, reports);
  fuzz::Check(manifest.count() == static_cast<int64_t>(index->samples.size()));
  // What was found can be sent: protobuf refuses to parse strings that are not UTF-8.
  v1::DatasetManifest sent;
  fuzz::Check(sent.ParseFromString(manifest.SerializeAsString()));
  fuzz::Check(IsValidUtf8(data::CheckPolicies({}, manifest, false).message()));
}

}  // namespace

// The names, a NUL, the table.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Taker taker(fuzz::View(data, size));
  const uint64_t kind = taker.Number(1);
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(taker.Rest(), absl::MaxSplits('\0', 1));
  CheckIndex(data::IndexImageFolder(std::make_unique<Listing>(parts.first)));

  v1::Files files;
  files.set_id("id");
  if (kind % 2 == 1) files.set_split("split");
  std::vector<std::unique_ptr<data::Container>> containers;
  containers.push_back(std::make_unique<Listing>(parts.first));
  spec::TargetColumns targets;
  if (kind % 8 < 2) targets.class_column = "class";
  if (kind % 8 >= 6) targets.values = {"a", "b"};
  CheckIndex(data::IndexImagesWithTable(std::move(containers), fuzz::InputFile(parts.second), files,
                                        targets));
  return 0;
}
