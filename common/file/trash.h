#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/file/file_system.h"

namespace skytrain {

// Removes folders so that nobody ever sees half of one: a folder is renamed into the trash, which
// is one step, and only then taken apart. What a crash leaves there goes with Empty. The trash must
// lie in the same file system as what is thrown away. Thread-safe.
class Trash {
 public:
  // `dir` is made when it is first needed.
  Trash(FileSystem& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}

  // OK also when there is no such path.
  absl::Status Discard(const std::string& path);
  absl::Status Empty();

 private:
  FileSystem& fs_;
  const std::string dir_;
};

}  // namespace skytrain
