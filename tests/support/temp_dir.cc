#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace skytrain {

// The folder of GoogleTest ends with a slash; a path as the system gives it has no two of them.
TempDir::TempDir() : TempDir(::testing::TempDir()) {}

TempDir::TempDir(const std::string& parent)
    : path_(absl::StrCat(parent, absl::EndsWith(parent, "/") ? "" : "/", "skytrain-XXXXXX")) {
  if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "cannot make a folder at " << path_;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::File(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) ADD_FAILURE() << "cannot open " << path;
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

void WriteWhole(const std::string& path, absl::string_view content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file) ADD_FAILURE() << "cannot write " << path;
}

}  // namespace skytrain
