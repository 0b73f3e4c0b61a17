#include "server/data/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "common/digest/digest.h"
#include "common/errors.h"
#include "server/data/cache_format.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

class CacheTest : public testing::Test {
 protected:
  CacheTest() { WriteFolder(dir_.File("set"), ImageFiles({{"a", 12}, {"b", 12}})); }

  OpenOptions Options() {
    OpenOptions options = OptionsFor(dir_.File("set"), dir_.File("cache"));
    options.progress = [this](int64_t, int64_t) { decoded_.store(true); };
    return options;
  }
  bool DecodesAgain(const OpenOptions& options) {
    decoded_.store(false);
    const auto set = OpenDataset(options);
    EXPECT_TRUE(set.ok()) << set.status();
    return decoded_.load();
  }
  std::vector<std::string> CacheFiles() {
    std::vector<std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(dir_.File("cache"))) {
      if (file.path().extension() != ".lock") files.push_back(file.path().string());
    }
    return files;
  }
  TempDir dir_;
  std::atomic<bool> decoded_{false};
};

TEST_F(CacheTest, DecodesOnce) {
  EXPECT_TRUE(DecodesAgain(Options()));
  EXPECT_FALSE(DecodesAgain(Options()));
  EXPECT_EQ(CacheFiles().size(), 1u);
}

TEST_F(CacheTest, SplitsAndPoliciesShareOneFile) {
  EXPECT_TRUE(DecodesAgain(Options()));
  OpenOptions options = Options();
  options.data.set_corrupt(v1::Data::POLICY_SKIP);
  options.data.mutable_splits()->mutable_validation()->set_fraction(0.3);
  options.data.mutable_augment()->set_flip(true);
  EXPECT_FALSE(DecodesAgain(options));
}

TEST_F(CacheTest, AnotherViewOrChangedFileIsDecodedAnew) {
  EXPECT_TRUE(DecodesAgain(Options()));
  OpenOptions options = Options();
  options.data.mutable_image()->set_center_crop(0.5);
  EXPECT_TRUE(DecodesAgain(options));
  options.data.mutable_image()->set_size(24);
  EXPECT_TRUE(DecodesAgain(options));
  WriteWhole(dir_.File("set/a/100.jpg"), MakeJpeg(50, 50, 1));
  EXPECT_TRUE(DecodesAgain(Options()));
}

TEST_F(CacheTest, AnyDamageIsFoundAndTheFileBuiltAgain) {
  ASSERT_TRUE(DecodesAgain(Options()));
  const std::string path = CacheFiles()[0];
  const std::string whole = ReadWhole(path);
  // Magic, header, first and last pixel, index.
  for (const size_t at : {size_t{0}, size_t{20}, size_t{45}, size_t{4096},
                          size_t{4096 + 24 * 16 * 16 * 3 - 1}, whole.size() - 1}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    WriteWhole(path, damaged);
    EXPECT_EQ(CacheFile::Open(path).status().code(), absl::StatusCode::kDataLoss) << at;
    EXPECT_TRUE(DecodesAgain(Options())) << at;
    EXPECT_EQ(ReadWhole(path), whole) << at;
  }
  for (const size_t size : {size_t{0}, size_t{100}, size_t{5000}, whole.size() - 1}) {
    WriteWhole(path, whole.substr(0, size));
    EXPECT_TRUE(DecodesAgain(Options())) << size;
  }
}

TEST_F(CacheTest, SizesThatOverflowAreRefusedThoughAllChecksumsAreRight) {
  ASSERT_TRUE(DecodesAgain(Options()));
  const std::string path = CacheFiles()[0];
  const std::string whole = ReadWhole(path);
  CacheHeader header;
  std::memcpy(&header, whole.data(), sizeof(header));
  CacheIndex index;
  std::vector<uint32_t> crcs;
  ASSERT_TRUE(DecodeIndex(absl::string_view(whole).substr(whole.size() - header.index_bytes),
                          header.count, index, crcs)
                  .ok());
  // A file without pixels: images of side 0, or of one whose product with the rest is 0 in 64 bits.
  const std::string bytes = EncodeIndex(index, {});
  header.pixel_bytes = 0;
  header.index_bytes = bytes.size();
  header.index_crc = MaskCrc(Crc32c(bytes));
  for (const uint32_t side : {uint32_t{0}, uint32_t{1} << 31}) {
    header.side = side;
    ASSERT_EQ(header.count * side * side * 3, 0u);
    header.header_crc = HeaderCrc(header);
    std::string file(kCacheHeaderBytes, '\0');
    std::memcpy(file.data(), &header, sizeof(header));
    WriteWhole(path, file + bytes);
    EXPECT_EQ(CacheFile::Open(path).ok(), side == 0) << side;
  }
}

TEST_F(CacheTest, LeftoverOfAKilledBuildIsReplaced) {
  ASSERT_TRUE(DecodesAgain(Options()));
  const std::string path = CacheFiles()[0];
  std::filesystem::rename(path, path + ".tmp");
  EXPECT_TRUE(DecodesAgain(Options()));
  EXPECT_EQ(CacheFiles(), std::vector<std::string>{path});
}

TEST_F(CacheTest, OfSeveralJobsOnlyOneDecodes) {
  std::atomic<int> builders{0};
  std::vector<std::thread> jobs;
  for (int j = 0; j < 4; ++j) {
    jobs.emplace_back([&] {
      OpenOptions options = Options();
      options.progress = [&](int64_t done, int64_t total) { builders += done == total; };
      EXPECT_TRUE(OpenDataset(options).ok());
    });
  }
  for (std::thread& job : jobs) job.join();
  EXPECT_EQ(builders.load(), 1);
}

TEST_F(CacheTest, WaitingForAnotherJobEndsWhenStopped) {
  ASSERT_TRUE(DecodesAgain(Options()));
  const std::string path = CacheFiles()[0];
  std::filesystem::remove(path);
  const auto held = LockCache(path, nullptr);
  ASSERT_TRUE(held.ok());
  OpenOptions options = Options();
  options.stop = [] { return true; };
  EXPECT_EQ(OpenDataset(options).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(CacheTest, RoomIsReservedBeforeDecoding) {
  // A set too large for any disk.
  const auto writer = CacheWriter::Create(dir_.File("big"), int64_t{1} << 40, 1024);
  EXPECT_FALSE(writer.ok());
  EXPECT_FALSE(std::filesystem::exists(dir_.File("big.tmp")));
}

}  // namespace
}  // namespace skytrain::data
