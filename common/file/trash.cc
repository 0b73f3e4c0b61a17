#include "common/file/trash.h"

#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "common/status_macros.h"

namespace skytrain {

absl::Status Trash::Discard(const std::string& path) {
  if (!fs_.Exists(path)) return absl::OkStatus();
  if (!fs_.Exists(dir_)) {
    const absl::Status made = fs_.CreateDir(dir_);
    if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  }
  const std::string name = absl::StrCat(dir_, "/", NewUid());
  RETURN_IF_ERROR(fs_.Rename(path, name));
  return fs_.RemoveTree(name);
}

absl::Status Trash::Empty() { return fs_.Exists(dir_) ? fs_.RemoveTree(dir_) : absl::OkStatus(); }

}  // namespace skytrain
