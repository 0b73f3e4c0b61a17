#include "server/jobs/checkpoint_finder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "nlohmann/json.hpp"

namespace skytrain {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kPrefix = "step-";
constexpr uint64_t kMaxStateBytes = 16 << 20;
constexpr int kDeepestState = 64;

absl::Status Torn(const std::string& path, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("checkpoint ", path, " is not whole: ", why));
}

// A damaged or forged text may nest without end, and what walks through the values recurses.
Json ParseState(const std::string& text) {
  return Json::parse(
      text, [](int depth, Json::parse_event_t, Json&) { return depth <= kDeepestState; },
      /*allow_exceptions=*/false);
}

// Null when `object` is none, or has no such member.
const Json* Member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

absl::Status CheckCheckpoint(FileSystem& fs, const std::string& path,
                             const std::function<bool()>& stop) {
  const auto text = fs.ReadFile(path + "/state.json", kMaxStateBytes);
  if (!text.ok()) return Torn(path, text.status().message());
  const Json json = ParseState(*text);
  const Json* state = Member(json, "state");
  const Json* digest = Member(json, "sha256");
  if (state == nullptr || digest == nullptr || *digest != Sha256Hex(state->dump())) {
    return Torn(path, "state.json is damaged");
  }
  const Json* files = Member(*state, "files");
  if (files == nullptr || !files->is_object() || files->empty()) {
    return Torn(path, "state.json lists no files");
  }
  for (const auto& [file, entry] : files->items()) {
    const Json* expected = Member(entry, "sha256");
    if (expected == nullptr || absl::StrContains(file, "/") || file.empty()) {
      return Torn(path, "state.json has an unknown layout");
    }
    const std::string file_path = absl::StrCat(path, "/", file);
    const auto fd = fs.Open(file_path, FileSystem::Access::kRead);
    if (!fd.ok()) return Torn(path, fd.status().message());
    const auto actual = Sha256HexOfRest(*fd, file_path, stop);
    if (absl::IsCancelled(actual.status())) return actual.status();
    if (!actual.ok()) return Torn(path, actual.status().message());
    if (*expected != *actual) return Torn(path, absl::StrCat(file, " differs from its SHA-256"));
  }
  return absl::OkStatus();
}

std::optional<int64_t> BestStep(FileSystem& fs, const std::string& path) {
  const auto text = fs.ReadFile(path + "/state.json", kMaxStateBytes);
  if (!text.ok()) return std::nullopt;
  const Json json = ParseState(*text);
  const Json* state = Member(json, "state");
  const Json* best = state == nullptr ? nullptr : Member(*state, "best");
  const Json* step = best == nullptr ? nullptr : Member(*best, "step");
  if (step == nullptr || !step->is_number_integer()) return std::nullopt;
  return step->get<int64_t>();
}

std::optional<Checkpoint> NewestCheckpoint(FileSystem& fs, const std::vector<std::string>& folders,
                                           const std::function<void(const absl::Status&)>& on_torn,
                                           const std::function<bool()>& stop) {
  std::vector<Checkpoint> candidates;
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    const auto names = fs.ListDir(*folder);
    if (!names.ok()) continue;  // The attempt came to no checkpoint.
    for (const std::string& name : *names) {
      Checkpoint candidate;
      if (absl::StartsWith(name, kPrefix) &&
          absl::SimpleAtoi(absl::string_view(name).substr(kPrefix.size()), &candidate.step)) {
        candidate.path = absl::StrCat(*folder, "/", name);
        candidates.push_back(std::move(candidate));
      }
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Checkpoint& a, const Checkpoint& b) { return a.step > b.step; });
  for (Checkpoint& candidate : candidates) {
    const absl::Status whole = CheckCheckpoint(fs, candidate.path, stop);
    if (whole.ok()) return std::move(candidate);
    if (absl::IsCancelled(whole)) return std::nullopt;
    on_torn(whole);
  }
  return std::nullopt;
}

}  // namespace skytrain
