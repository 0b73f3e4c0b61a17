#include "server/data/duplicates.h"

#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace skytrain::data {
namespace {

constexpr size_t kMostNames = 20;

bool SamePixels(const Dataset& set, int64_t a, int64_t b) {
  const auto bytes = size_t{3} * static_cast<size_t>(set.width()) * set.height();
  const uint8_t* pixels = set.pixels().data();
  return std::memcmp(pixels + a * bytes, pixels + b * bytes, bytes) == 0;
}

// "a (train)", or "a (train, spiral)".
std::string NameOf(const Dataset& set, int64_t sample, const char* split, bool with_class) {
  return absl::StrCat(set.ids()[sample], " (", split,
                      with_class ? absl::StrCat(", ", set.classes()[set.labels()[sample]]) : "",
                      ")");
}

}  // namespace

Leaks FindLeaks(const Dataset& set, const std::vector<uint64_t>& digests) {
  Leaks leaks;
  absl::flat_hash_map<uint64_t, int64_t> trained;
  trained.reserve(set.train().size());
  for (const int64_t sample : set.train()) trained.emplace(digests[sample], sample);
  const auto look = [&](const std::vector<int64_t>& samples, const char* split) {
    for (const int64_t sample : samples) {
      const auto found = trained.find(digests[sample]);
      if (found == trained.end() || !SamePixels(set, sample, found->second)) continue;
      ++leaks.count;
      if (leaks.names.size() == kMostNames) continue;
      const bool conflict = set.labels()[sample] != set.labels()[found->second];
      leaks.names.push_back(absl::StrCat(NameOf(set, sample, split, conflict), " is ",
                                         NameOf(set, found->second, "train", conflict)));
    }
  };
  look(set.validation(), "validation");
  look(set.test(), "test");
  return leaks;
}

}  // namespace skytrain::data
