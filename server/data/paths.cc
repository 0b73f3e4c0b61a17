#include "server/data/paths.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/digest/digest.h"
#include "common/status_macros.h"
#include "server/data/data_errors.h"

namespace skytrain::data {
namespace {

constexpr int kDeepestFolder = 32;
constexpr size_t kMostFiles = 20'000'000;

// Empty when there is no such file.
std::string RealPath(const std::string& path) {
  std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  return real ? real.get() : "";
}

bool IsBelow(const std::string& resolved, const std::vector<std::string>& roots) {
  if (roots.empty()) return true;
  for (const std::string& root : roots) {
    const std::string real = RealPath(root);
    if (!real.empty() &&
        (resolved == real || real == "/" || absl::StartsWith(resolved, absl::StrCat(real, "/")))) {
      return true;
    }
  }
  return false;
}

class Walker {
 public:
  Walker(const std::string& top, const std::vector<std::string>& roots)
      : top_(top), roots_(roots) {}

  absl::Status Walk(const std::string& relative, int depth) {
    if (depth > kDeepestFolder) {
      return DataInvalid(absl::StrCat(Quotable(top_), "/", Quotable(relative), " lies deeper than ",
                                      kDeepestFolder, " folders"));
    }
    const std::string folder = relative.empty() ? top_ : absl::StrCat(top_, "/", relative);
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), &::closedir);
    if (!dir) return SystemError("open folder", folder, errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir.get())) {
      // "." and ".." begin with a point as well.
      if (entry->d_name[0] != '.' && !IsHiddenPath(entry->d_name)) names.push_back(entry->d_name);
    }
    for (const std::string& name : names) {
      RETURN_IF_ERROR(Visit(relative.empty() ? name : absl::StrCat(relative, "/", name), depth));
    }
    return absl::OkStatus();
  }

  WalkedFolder found;

 private:
  absl::Status Visit(const std::string& relative, int depth) {
    const std::string path = absl::StrCat(top_, "/", relative);
    struct stat st;
    if (::lstat(path.c_str(), &st) != 0) return SystemError("look at", path, errno);
    if (S_ISLNK(st.st_mode)) {
      const std::string real = RealPath(path);
      if (real.empty()) return absl::OkStatus();  // Leads nowhere: as good as absent.
      if (!IsBelow(real, roots_)) return OutsideDataRoots(path, real, roots_);
      if (::stat(path.c_str(), &st) != 0) return SystemError("look at", path, errno);
    }
    if (S_ISDIR(st.st_mode)) {
      if (!seen_.emplace(st.st_dev, st.st_ino).second) return absl::OkStatus();  // A loop of links.
      found.folders.push_back(relative);
      return Walk(relative, depth + 1);
    }
    if (!S_ISREG(st.st_mode)) return absl::OkStatus();
    if (found.files.size() >= kMostFiles) {
      return DataInvalid(absl::StrCat(Quotable(top_), " holds more than ", Grouped(kMostFiles),
                                      " files: pack them into a tar"));
    }
    found.files.push_back({relative, static_cast<uint64_t>(st.st_size),
                           st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec, st.st_ino});
    return absl::OkStatus();
  }

  std::set<std::pair<dev_t, ino_t>> seen_;
  const std::string& top_;
  const std::vector<std::string>& roots_;
};

void AddToFingerprint(Sha256& sha, const std::string& path, uint64_t size, int64_t mtime_ns,
                      uint64_t inode) {
  sha.Update(absl::StrCat(path.size(), ":", path, ":", size, ":", mtime_ns, ":", inode, "\n"));
}

}  // namespace

absl::StatusOr<std::string> ResolvePath(const std::string& path,
                                        const std::vector<std::string>& roots) {
  if (path.empty() || path.find('\0') != std::string::npos || path.size() >= PATH_MAX) {
    return DataInvalid(absl::StrCat("\"", Quotable(path), "\" is no path"));
  }
  std::string resolved, tried = path;
  if (path[0] == '/' || roots.empty()) {
    resolved = RealPath(path);
  } else {
    for (const std::string& root : roots) {
      tried = absl::StrCat(root, "/", path);
      resolved = RealPath(tried);
      if (!resolved.empty()) break;
    }
  }
  if (resolved.empty()) {
    // What lies outside the roots is none of the caller's business, not even whether it exists.
    std::error_code error;
    std::string would_be = std::filesystem::weakly_canonical(tried, error).string();
    // Behind a folder that this user may not pass there may be anything.
    const bool closed = error == std::errc::permission_denied;
    if (closed) would_be = std::filesystem::path(tried).lexically_normal().string();
    if ((error && !closed) || !IsBelow(would_be, roots)) {
      return OutsideDataRoots(path, would_be, roots);
    }
    return closed ? SystemError("open", tried, EACCES) : DataNotFound(tried);
  }
  if (!IsBelow(resolved, roots)) return OutsideDataRoots(path, resolved, roots);
  return resolved;
}

absl::StatusOr<WalkedFolder> WalkFolder(const std::string& folder,
                                        const std::vector<std::string>& roots) {
  Walker walker(folder, roots);
  RETURN_IF_ERROR(walker.Walk("", 0));
  auto by_path = [](const WalkedFile& a, const WalkedFile& b) { return a.path < b.path; };
  std::sort(walker.found.files.begin(), walker.found.files.end(), by_path);
  std::sort(walker.found.folders.begin(), walker.found.folders.end());
  return std::move(walker.found);
}

absl::StatusOr<std::string> FingerprintOf(const std::vector<std::string>& resolved_paths,
                                          const std::vector<std::string>& roots) {
  Sha256 sha;
  for (const std::string& path : resolved_paths) {
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) return SystemError("look at", path, errno);
    AddToFingerprint(
        sha, path, S_ISDIR(st.st_mode) ? 0 : st.st_size,
        S_ISDIR(st.st_mode) ? 0 : st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec,
        st.st_ino);
    if (!S_ISDIR(st.st_mode)) continue;
    ASSIGN_OR_RETURN(const WalkedFolder walked, WalkFolder(path, roots));
    for (const std::string& folder : walked.folders) AddToFingerprint(sha, folder, 0, 0, 0);
    for (const WalkedFile& file : walked.files) {
      AddToFingerprint(sha, file.path, file.size, file.mtime_ns, file.inode);
    }
  }
  return sha.HexDigest();
}

bool IsHiddenPath(const std::string& path) {
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if ((absl::StartsWith(part, ".") && part != ".") || part == "__MACOSX") return true;
  }
  return false;
}

}  // namespace skytrain::data
