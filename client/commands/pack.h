#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace skytrain::client {

// A file that is gone when this is.
class TemporaryFile {
 public:
  // Empty, in $TMPDIR, else /tmp; only its owner may read it.
  static absl::StatusOr<TemporaryFile> Make();
  TemporaryFile(TemporaryFile&& other) noexcept;
  ~TemporaryFile();

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Whether the data at `paths` are sent as they are: one file that is no image (an archive, a table,
// arrays). Else they are packed.
bool IsSentAsItIs(const std::vector<std::string>& paths);

// A tar with the images among `paths`, which are folders and files: what is named as JPEG, PNG or
// FITS, hidden files left out. The same images make the same bytes, so what the server has is not
// sent again. NOT_FOUND (DATA_NOT_FOUND): there is none; INVALID_ARGUMENT (DATA_INVALID): two have
// one name.
absl::StatusOr<TemporaryFile> PackImages(const std::vector<std::string>& paths);

}  // namespace skytrain::client
