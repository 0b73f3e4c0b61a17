#include "server/datasets/fingerprint.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"

namespace skytrain {
namespace {

constexpr int kMaxDepth = 3;
constexpr int kMaxFolders = 4096;

class Fingerprint {
 public:
  void AddPath(const std::string& path) {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) {
      digest_.Update(absl::StrCat("absent ", path, "\n"));
      return;
    }
    Add(path, info);
    if (S_ISDIR(info.st_mode)) AddFoldersIn(path, 1);
  }
  std::string Take() { return digest_.HexDigest(); }

 private:
  void Add(const std::string& path, const struct stat& info) {
    digest_.Update(absl::StrCat(path, " ", info.st_dev, " ", info.st_ino, " ", info.st_size, " ",
                                info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, " ",
                                info.st_ctim.tv_sec, ".", info.st_ctim.tv_nsec, "\n"));
  }

  void AddFoldersIn(const std::string& folder, int depth) {
    if (depth > kMaxDepth) return;
    DIR* listing = opendir(folder.c_str());
    if (listing == nullptr) return;
    std::vector<std::string> folders;
    while (const dirent* entry = readdir(listing)) {
      const std::string name = entry->d_name;
      const bool may_be_folder =
          entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
      if (may_be_folder && name != "." && name != "..") folders.push_back(name);
    }
    closedir(listing);
    std::sort(folders.begin(), folders.end());
    for (const std::string& name : folders) {
      if (++folders_ > kMaxFolders) return;
      const std::string path = absl::StrCat(folder, "/", name);
      struct stat info;
      if (stat(path.c_str(), &info) != 0) continue;
      Add(path, info);
      if (S_ISDIR(info.st_mode)) AddFoldersIn(path, depth + 1);
    }
  }

  Sha256 digest_;
  int folders_ = 0;
};

}  // namespace

std::string FingerprintOf(const v1::Data& data) {
  Fingerprint fingerprint;
  if (data.has_dataset()) fingerprint.AddPath(data.dataset());
  for (const std::string& path : data.files().images()) fingerprint.AddPath(path);
  if (data.has_files()) fingerprint.AddPath(data.files().table());
  for (const v1::Split& split :
       {data.splits().train(), data.splits().validation(), data.splits().test()}) {
    if (split.has_table()) fingerprint.AddPath(split.table());
  }
  return fingerprint.Take();
}

}  // namespace skytrain
