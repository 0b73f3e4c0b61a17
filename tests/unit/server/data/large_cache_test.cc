// A cache file of more than 200 MB: it is read where it lies, never copied into memory.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/digest/hash64.h"
#include "server/data/cache.h"
#include "server/data/random.h"
#include "tests/support/temp_dir.h"

namespace skytrain::data {
namespace {

constexpr int64_t kSamples = 256;
constexpr int kSide = 544;
constexpr size_t kImage = size_t{3} * kSide * kSide;

// What the process has for itself, in bytes: not what is mapped from files.
int64_t OwnMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    absl::string_view text = line;
    if (!absl::ConsumePrefix(&text, "RssAnon:") || !absl::ConsumeSuffix(&text, "kB")) continue;
    int64_t kilobytes = 0;
    if (absl::SimpleAtoi(text, &kilobytes)) return kilobytes << 10;
  }
  return -1;
}

class LargeCache : public testing::Test {
 protected:
  // Pixels without a pattern, the sample's number in front.
  LargeCache() {
    auto writer = CacheWriter::Create(path_, kSamples, kSide);
    EXPECT_TRUE(writer.ok()) << writer.status();
    std::vector<uint64_t> image(kImage / 8);
    std::vector<int64_t> slots(kSamples);
    std::iota(slots.begin(), slots.end(), int64_t{0});
    CacheIndex index;
    uint64_t noise = 1;
    for (int64_t i = 0; i < kSamples; ++i) {
      for (uint64_t& word : image) word = noise = noise * 6364136223846793005 + 1442695040888963407;
      image[0] = static_cast<uint64_t>(i);
      const auto* pixels = reinterpret_cast<const uint8_t*>(image.data());
      EXPECT_TRUE((*writer)->PutImage(i, pixels).ok());
      index.digests.push_back(Hash64({reinterpret_cast<const char*>(pixels), kImage}));
      index.ids.push_back(absl::StrCat("galaxy-", i));
    }
    index.labels.assign(kSamples, 0);
    index.sample_splits.assign(kSamples, -1);
    EXPECT_TRUE((*writer)->Commit(slots, index).ok());
  }

  // Batches of one shuffled epoch.
  static std::vector<std::vector<int64_t>> Batches(uint64_t epoch) {
    const std::vector<int64_t> order = EpochOrder(/*seed=*/3, epoch, kSamples);
    std::vector<std::vector<int64_t>> batches;
    for (int64_t at = 0; at < kSamples; at += 16) {
      batches.emplace_back(order.begin() + at, order.begin() + at + 16);
    }
    return batches;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("large.images");
};

TEST_F(LargeCache, AShuffledWalkTakesNoMemoryOfTheProcess) {
  ASSERT_GT(OwnMemory(), 0);
  const auto cache = CacheFile::Open(path_);
  ASSERT_TRUE(cache.ok()) << cache.status();
  ASSERT_GT((*cache)->pixels().size(), size_t{200} << 20);
  const int64_t before = OwnMemory();
  int64_t most = before;
  for (const uint64_t epoch : {1, 2}) {
    std::vector<int64_t> seen;
    uint64_t sum = 0;
    for (const std::vector<int64_t>& batch : Batches(epoch)) {
      (*cache)->WillRead(batch);
      ASSERT_EQ((*cache)->FindDamage(batch), std::nullopt);
      for (const int64_t sample : batch) {
        const uint8_t* image = (*cache)->pixels().data() + sample * kImage;
        int64_t number;
        std::memcpy(&number, image, sizeof(number));
        seen.push_back(number);
        sum = std::accumulate(image, image + kImage, sum);
      }
      most = std::max(most, OwnMemory());
    }
    std::sort(seen.begin(), seen.end());
    for (int64_t i = 0; i < kSamples; ++i) ASSERT_EQ(seen[i], i);
    EXPECT_NEAR(static_cast<double>(sum) / (kSamples * kImage), 127.5, 0.5);
  }
  EXPECT_LT(most - before, int64_t{4} << 20);
}

TEST_F(LargeCache, OpeningReadsNoPixels) {
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  const size_t bytes = kSamples * kImage;
  void* map = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  ASSERT_NE(map, MAP_FAILED);
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto in_memory = [&] {
    std::vector<unsigned char> pages((bytes + page - 1) / page);
    EXPECT_EQ(::mincore(map, bytes, pages.data()), 0);
    return std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; }) *
           static_cast<int64_t>(page);
  };
  const int64_t before = in_memory();
  const auto cache = CacheFile::Open(path_);
  const int64_t opened = in_memory();
  if (before < int64_t{1} << 20) {  // Not a file system in memory.
    EXPECT_LT(opened, int64_t{2} << 20);
    // One sample, and not what lies around it.
    ASSERT_TRUE(cache.ok()) << cache.status();
    EXPECT_EQ((*cache)->FindDamage({100}), std::nullopt);
    EXPECT_LT(in_memory() - opened, static_cast<int64_t>(2 * kImage));
  }
  ::munmap(map, bytes);
  if (before >= int64_t{1} << 20) GTEST_SKIP() << "the temporary folder is in memory";
}

TEST_F(LargeCache, AFlippedBitIsFoundWhenItsSampleIsRead) {
  constexpr int64_t kDamaged = 77;
  const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  const auto at = static_cast<off_t>(4096 + kDamaged * kImage + kImage - 1);
  uint8_t byte = 0;
  ASSERT_EQ(::pread(fd, &byte, 1, at), 1);
  byte ^= 0x10;
  ASSERT_EQ(::pwrite(fd, &byte, 1, at), 1);
  ::close(fd);
  const auto cache = CacheFile::Open(path_);
  ASSERT_TRUE(cache.ok()) << cache.status();
  int found = 0;
  for (const std::vector<int64_t>& batch : Batches(1)) {
    const bool here = std::find(batch.begin(), batch.end(), kDamaged) != batch.end();
    const std::optional<int64_t> damaged = (*cache)->FindDamage(batch);
    EXPECT_EQ(damaged, here ? std::optional<int64_t>(kDamaged) : std::nullopt);
    found += here ? 1 : 0;
  }
  EXPECT_EQ(found, 1);
  // All at once, read ahead window by window.
  std::vector<int64_t> all(kSamples);
  std::iota(all.begin(), all.end(), int64_t{0});
  EXPECT_EQ((*cache)->FindDamage(all), kDamaged);
}

}  // namespace
}  // namespace skytrain::data
