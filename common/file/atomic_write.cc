#include "absl/strings/string_view.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

absl::Status WriteAndSync(WritableFile& file, absl::string_view content) {
  RETURN_IF_ERROR(file.Append(content));
  RETURN_IF_ERROR(file.Sync());
  return file.Close();
}

}  // namespace

absl::Status WriteFileAtomically(FileSystem& fs, const std::string& path,
                                 absl::string_view content) {
  const std::string temporary = path + ".tmp";
  auto file = fs.CreateExclusive(temporary);
  if (absl::IsAlreadyExists(file.status())) {
    // Left by a writer that died; nobody reads it.
    RETURN_IF_ERROR(fs.Remove(temporary));
    file = fs.CreateExclusive(temporary);
  }
  RETURN_IF_ERROR(file.status());
  if (absl::Status status = WriteAndSync(**file, content); !status.ok()) {
    fs.Remove(temporary).IgnoreError();
    return status;
  }
  RETURN_IF_ERROR(fs.Rename(temporary, path));
  return fs.SyncDir(ParentOf(path));
}

}  // namespace skytrain
