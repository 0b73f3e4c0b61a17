#include "server/data/fits_bands.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

// "a/132_gband.fits": object "a/132.fits", band "g". An empty band: it is of none.
struct BandName {
  std::string object, band;
  bool said = false;  // By the word "band", not by one letter alone.
};

BandName BandNameOf(const std::string& path) {
  const std::string stem = StemOf(path);
  const size_t cut = stem.find_last_of("_-. ");
  const std::string suffix = path.substr(path.rfind('/') + 1 + stem.size());
  if (!HasFitsSuffix(path) || cut == std::string::npos || cut == 0) return {};
  BandName name;
  name.object =
      absl::StrCat(path.substr(0, path.size() - suffix.size() - (stem.size() - cut)), suffix);
  std::string word = stem.substr(cut + 1);
  constexpr absl::string_view kWord = "band", kLetters = "ugrizyYJHK";
  if (word.size() > kWord.size() && absl::EndsWith(word, kWord)) {
    name.band = word.substr(0, word.size() - kWord.size());
    name.said = true;
  } else if (word.size() == 1 && absl::StrContains(kLetters, word)) {
    name.band = word;
  }
  return name;
}

class BandFiles : public Container {
 public:
  explicit BandFiles(std::unique_ptr<Container> files)
      : Container(files->path()), files_(std::move(files)) {
    folders_ = files_->folders();
    warning_ = files_->warning();
  }

  // Each entry: the entries of `files` that it is made of.
  void Add(Entry entry, std::vector<size_t> members) {
    entries_.push_back(std::move(entry));
    members_.push_back(std::move(members));
  }

  absl::Status Read(const std::vector<size_t>& wanted, int threads,
                    const Sink& sink) const override {
    // Which part of which image each file is.
    absl::flat_hash_map<size_t, std::pair<size_t, size_t>> places;
    std::vector<size_t> files;
    for (const size_t entry : wanted) {
      for (size_t m = 0; m < members_[entry].size(); ++m) {
        places[members_[entry][m]] = {entry, m};
        files.push_back(members_[entry][m]);
      }
    }
    Mutex mu;
    std::map<size_t, std::vector<std::string>> begun;  // Images of which a part was read.
    return files_->Read(files, threads, [&](size_t file, absl::string_view bytes) {
      const auto [entry, part] = places.at(file);
      const std::vector<size_t>& members = members_[entry];
      if (members.size() == 1 && IsWhole(entry)) return sink(entry, bytes);
      std::vector<std::string> parts;
      {
        MutexLock lock(mu);
        std::vector<std::string>& known = begun[entry];
        known.resize(members.size());
        known[part] = std::string(bytes);
        // An empty file is as good as one that is missing, but it was read.
        if (known[part].empty()) known[part] = " ";
        const bool whole = std::none_of(known.begin(), known.end(),
                                        [](const std::string& p) { return p.empty(); });
        if (!whole) return true;
        parts = std::move(known);
        begun.erase(entry);
      }
      return sink(entry, JoinBands(parts));
    });
  }

 private:
  // Not made of bands.
  bool IsWhole(size_t entry) const {
    return files_->entries()[members_[entry][0]].path == entries_[entry].path;
  }

  const std::unique_ptr<Container> files_;
  std::vector<std::vector<size_t>> members_;  // One an entry.
};

absl::StatusOr<std::vector<std::string>> ChooseBands(const std::vector<std::string>& wanted,
                                                     const std::set<std::string>& found,
                                                     const std::string& path) {
  for (const std::string& band : wanted) {
    if (found.count(band) > 0) continue;
    const std::vector<std::string> names(found.begin(), found.end());
    return DataInvalid(absl::StrCat("data.image.stretch.bands: ", Quotable(path),
                                    " has no files of the band \"", Quotable(band), "\"; it has ",
                                    SomeOf(names, static_cast<int64_t>(names.size()), 20)));
  }
  if (!wanted.empty()) return wanted;
  std::vector<std::string> chosen;
  for (const char* band : {"i", "r", "g"}) {
    if (found.count(band) > 0) chosen.push_back(band);
  }
  if (chosen.empty()) chosen.assign(found.rbegin(), found.rend());
  if (chosen.size() > 3) chosen.resize(3);
  return chosen;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Container>> GroupBands(std::unique_ptr<Container> files,
                                                      const std::vector<std::string>& bands) {
  const std::vector<Entry>& entries = files->entries();
  std::vector<BandName> names;
  std::set<std::string> found;
  bool said = false;
  for (const Entry& entry : entries) {
    names.push_back(BandNameOf(entry.path));
    if (names.back().band.empty()) continue;
    found.insert(names.back().band);
    said |= names.back().said;
  }
  if (found.empty() || (!said && found.size() < 2)) return files;
  ASSIGN_OR_RETURN(const std::vector<std::string> chosen, ChooseBands(bands, found, files->path()));

  // By path, so that the entries are sorted. An object without bands is made of itself.
  std::map<std::string, std::map<std::string, size_t>> objects;
  for (size_t e = 0; e < entries.size(); ++e) {
    const bool of_band = !names[e].band.empty();
    objects[of_band ? names[e].object : entries[e].path][names[e].band] = e;
  }
  std::vector<std::pair<Entry, std::vector<size_t>>> images;
  for (const auto& [object, members] : objects) {
    Entry entry;
    entry.path = object;
    std::vector<size_t> parts;
    if (const auto whole = members.find(""); whole != members.end()) {
      images.push_back({entries[whole->second], {whole->second}});
      continue;
    }
    for (const std::string& band : chosen) {
      const auto member = members.find(band);
      if (member == members.end()) {
        entry.problem = absl::StrCat("it has no ", band, " band");
        break;
      }
      const Entry& file = entries[member->second];
      if (entry.problem.empty() && !file.problem.empty()) entry.problem = file.problem;
      entry.size += file.size;
      parts.push_back(member->second);
    }
    images.push_back({std::move(entry), std::move(parts)});
  }
  auto grouped = std::make_unique<BandFiles>(std::move(files));
  for (auto& [entry, parts] : images) grouped->Add(std::move(entry), std::move(parts));
  return grouped;
}

}  // namespace skytrain::data
