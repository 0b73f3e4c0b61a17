#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/utf8.h"

namespace skytrain::data {

// Every error of this folder that a client can see.

absl::Status DataInvalid(absl::string_view message);  // INVALID_ARGUMENT (DATA_INVALID).
// NOT_FOUND (DATA_NOT_FOUND), with the nearest name that does exist.
absl::Status DataNotFound(const std::string& path);
// PERMISSION_DENIED (OUTSIDE_DATA_ROOTS).
absl::Status OutsideDataRoots(const std::string& path, const std::string& resolved,
                              const std::vector<std::string>& roots);
// Of the last system call (errno) on `path`: RESOURCE_EXHAUSTED (DISK_FULL), NOT_FOUND
// (DATA_NOT_FOUND), PERMISSION_DENIED (DATA_UNREADABLE), else INTERNAL.
absl::Status SystemError(absl::string_view doing, const std::string& path, int error);

// RESOURCE_EXHAUSTED (DISK_FULL): the decoded images need `needed` bytes in the file `path`, and
// `available` are free there; less than 0: nobody knows.
absl::Status DiskFull(const std::string& path, int64_t needed, int64_t available);

// DATA_LOSS (CACHE_CORRUPT): the pixels of a sample are not those that were decoded.
absl::Status CacheCorrupt(const std::string& path, const std::string& sample);

absl::Status Stopped();  // CANCELLED.

// Text from a file, fit for an error message: control characters escaped, cut after 200 bytes.
std::string Quotable(absl::string_view text);
// "a, b, c and 4 more", at most `shown` of them by name.
std::string SomeOf(const std::vector<std::string>& names, int64_t count, size_t shown = 5);
std::string Grouped(int64_t n);  // "1,234,567".

}  // namespace skytrain::data
