// Runs a target without libFuzzer, so that every build tests what fuzzing found:
//
//   TARGET [--seconds N] FOLDER…   every file of the folders, then inputs made from them at random
//
// The random part is the same in every run, as far as it gets in its time. A crash is the failure.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kLongest = 1 << 16;

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::vector<std::string> ReadFolders(const std::vector<std::string>& folders) {
  std::vector<std::filesystem::path> paths;
  for (const std::string& folder : folders) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& seeds) : seeds_(seeds) {}

  std::string Next() {
    std::string input = seeds_[Below(seeds_.size())];
    for (size_t i = 1 + Below(8); i > 0; --i) Change(input);
    input.resize(std::min(input.size(), kLongest));
    return input;
  }

 private:
  size_t Below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void Change(std::string& input) {
    static constexpr unsigned char kBytes[] = {0, 1, 0x7f, 0x80, 0xff, '0', '9', '"', '\n', '/'};
    const size_t at = Below(input.size() + 1);
    const size_t left = input.size() - at;
    switch (random_() % 7) {
      case 0:
        if (left > 0) input[at] = static_cast<char>(input[at] ^ (1 << Below(8)));
        break;
      case 1:
        if (left > 0) input[at] = static_cast<char>(kBytes[Below(sizeof(kBytes))]);
        break;
      case 2:
        input.insert(at, Below(16) + 1, static_cast<char>(kBytes[Below(sizeof(kBytes))]));
        break;
      case 3:
        input.erase(at, Below(32) + 1);
        break;
      case 4:
        input.insert(at, input.substr(Below(input.size() + 1), Below(512)));
        break;
      case 5: {
        const std::string& other = seeds_[Below(seeds_.size())];
        input.insert(at, other.substr(Below(other.size() + 1), Below(512)));
        break;
      }
      default:
        if (Below(4) == 0) input.resize(at);
        break;
    }
  }

  const std::vector<std::string>& seeds_;
  std::mt19937 random_{1};
};

}  // namespace

int main(int argc, char** argv) {
  double seconds = 0;
  std::vector<std::string> folders;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else {
      folders.emplace_back(argv[i]);
    }
  }
  const std::vector<std::string> seeds = ReadFolders(folders);
  if (seeds.empty()) {
    std::cerr << "no inputs: name the target's folder of corpus/\n";
    return 2;
  }
  for (const std::string& seed : seeds) Run(seed);
  Mutator mutator(seeds);
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  int64_t made = 0;
  for (; Clock::now() < end; ++made) Run(mutator.Next());
  std::cout << seeds.size() << " inputs, " << made << " made from them\n";
  return 0;
}
