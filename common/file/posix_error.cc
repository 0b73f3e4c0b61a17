#include "common/file/posix_error.h"

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace skytrain {

absl::Status PosixError(int error_number, absl::string_view what, absl::string_view path) {
  const std::string message = absl::StrCat("cannot ", what, " ", path);
  if (error_number == EMFILE || error_number == ENFILE) {
    return absl::UnavailableError(absl::StrCat(message, ": too many open files"));
  }
  return absl::ErrnoToStatus(error_number, message);
}

}  // namespace skytrain
