#include "server/data/data_errors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"

namespace skytrain::data {

absl::Status DataInvalid(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "DATA_INVALID", message);
}

absl::Status DataNotFound(const std::string& path) {
  // The first component that is missing decides what to propose.
  std::filesystem::path missing(path), parent = missing.parent_path();
  std::error_code error;
  while (!parent.empty() && parent != missing && !std::filesystem::is_directory(parent, error)) {
    missing = parent;
    parent = missing.parent_path();
  }
  std::vector<std::string> names;
  const std::filesystem::path listed = parent.empty() ? std::filesystem::path(".") : parent;
  for (auto it = std::filesystem::directory_iterator(listed, error);
       !error && it != std::filesystem::directory_iterator() && names.size() < 100'000;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  const std::string nearest = NearestName(missing.filename().string(), names);
  return ErrorWithReason(absl::StatusCode::kNotFound, "DATA_NOT_FOUND",
                         absl::StrCat("there is no ", Quotable(path), " on the server",
                                      nearest.empty() ? ""
                                                      : absl::StrCat("; the nearest name in ",
                                                                     Quotable(listed.string()),
                                                                     " is ", Quotable(nearest))));
}

absl::Status OutsideDataRoots(const std::string& path, const std::string& resolved,
                              const std::vector<std::string>& roots) {
  return ErrorWithReason(
      absl::StatusCode::kPermissionDenied, "OUTSIDE_DATA_ROOTS",
      absl::StrCat(Quotable(path), path == resolved ? "" : ", which leads out by a link,",
                   " lies outside the server's data roots (", absl::StrJoin(roots, ", "),
                   "): move the data there, or have the root added to data_roots"));
}

absl::Status SystemError(absl::string_view doing, const std::string& path, int error) {
  const std::string message =
      absl::StrCat("cannot ", doing, " ", Quotable(path), ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return ErrorWithReason(absl::StatusCode::kResourceExhausted, "DISK_FULL", message);
    case ENOENT:
    case ENOTDIR:
      return ErrorWithReason(absl::StatusCode::kNotFound, "DATA_NOT_FOUND", message);
    case EACCES:
    case EPERM:
      return ErrorWithReason(absl::StatusCode::kPermissionDenied, "DATA_UNREADABLE", message);
    default:
      return ErrorWithReason(absl::StatusCode::kInternal, "DATA_IO", message);
  }
}

absl::Status DiskFull(const std::string& path, int64_t needed, int64_t available) {
  const std::string free =
      available < 0        ? "there is less room"
      : available < needed ? absl::StrCat(Grouped(available), " are free")
                           : absl::StrCat(Grouped(available), " are free, but not to this user");
  return ErrorWithReason(
      absl::StatusCode::kResourceExhausted, "DISK_FULL",
      absl::StrCat("the decoded images need ", Grouped(needed), " bytes in ", Quotable(path),
                   ", and ", free, " on that disk: free some, or take a smaller data.image.size"));
}

absl::Status CacheCorrupt(const std::string& path, const std::string& sample) {
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "CACHE_CORRUPT",
      absl::StrCat(
          "the decoded image of \"", Quotable(sample), "\" in ", Quotable(path),
          " is damaged: it is not what was written. The file was removed, so that the next "
          "attempt decodes the set anew; should this happen again, look at the disk and "
          "the memory of this machine"));
}

absl::Status Stopped() { return absl::CancelledError("stopped while the data was being read"); }

std::string Quotable(absl::string_view text) {
  constexpr size_t kLongest = 200;
  const absl::string_view cut = Utf8Prefix(text, kLongest);
  return absl::StrCat(IsValidUtf8(cut) ? absl::Utf8SafeCHexEscape(cut) : absl::CHexEscape(cut),
                      cut.size() < text.size() ? "..." : "");
}

std::string SomeOf(const std::vector<std::string>& names, int64_t count, size_t shown) {
  shown = std::min(shown, names.size());
  std::string text;
  for (size_t i = 0; i < shown; ++i) absl::StrAppend(&text, i > 0 ? ", " : "", Quotable(names[i]));
  const int64_t more = count - static_cast<int64_t>(shown);
  if (more > 0) absl::StrAppend(&text, " and ", Grouped(more), " more");
  return text;
}

std::string Grouped(int64_t n) {
  const std::string digits = absl::StrCat(n);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0) grouped.push_back(',');
    grouped.push_back(digits[i]);
  }
  return grouped;
}

}  // namespace skytrain::data
