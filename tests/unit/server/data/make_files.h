#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/data/dataset.h"

namespace skytrain::data {

// Builds small real files for the tests of this folder. All fail the test when they cannot.

// A picture of one colour with a slope in it, so that no two (width, height, colour) look alike.
std::string MakeJpeg(int width, int height, int colour = 0);

// `type`: PNG_COLOR_TYPE_*. Every pixel has the value 0x40 (of 8 bits; 0x4080 of 16); a palette's
// entry is (10, 20, 30).
std::string MakePng(int width, int height, int type, int bit_depth);

struct File {
  std::string path;  // Ends in "/": a folder.
  std::string content;
  std::string link_to;  // Not empty: a symbolic link.
};

enum class Pack { kTar, kPaxTar, kTarGz, kZip };
void WriteArchive(const std::string& path, const std::vector<File>& files, Pack pack);
// Below `folder`, with the folders between.
void WriteFolder(const std::string& folder, const std::vector<File>& files);

// [split/]class/number.jpg for each (prefix, count), 40x40 pixels.
std::vector<File> ImageFiles(const std::vector<std::pair<std::string, int>>& counts);

// For a task that asks for the class in `column`.
spec::TargetColumns ClassIn(const std::string& column);

OpenOptions OptionsFor(const std::string& path, const std::string& cache_dir, int size = 16);

// Where the large real sets are; empty when this machine has none.
std::string RealData(const std::string& name);

}  // namespace skytrain::data
