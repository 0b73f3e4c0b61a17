#include "server/data/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/statvfs.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "server/data/cache_format.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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
  // Magic, header, first and last byte of the index.
  for (const size_t at :
       {size_t{0}, size_t{20}, size_t{45}, size_t{4096 + 24 * 16 * 16 * 3}, whole.size() - 1}) {
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

TEST_F(CacheTest, AFlippedBitOfAPixelIsFoundBeforeItIsUsedAndTheFileBuiltAgain) {
  ASSERT_TRUE(DecodesAgain(Options()));
  const std::string path = CacheFiles()[0];
  const std::string whole = ReadWhole(path);
  constexpr size_t kImage = 16 * 16 * 3;
  for (const int64_t sample : {0, 9, 23}) {
    std::string damaged = whole;
    char& byte = damaged[4096 + sample * kImage + 500];
    byte = static_cast<char>(byte ^ 4);
    WriteWhole(path, damaged);
    const auto set = OpenDataset(Options());
    ASSERT_TRUE(set.ok()) << set.status();
    std::vector<int64_t> others;
    for (int64_t i = 0; i < 24; ++i) {
      if (i != sample) others.push_back(i);
    }
    EXPECT_TRUE((*set)->CheckPixels(others).ok());
    EXPECT_TRUE(std::filesystem::exists(path));
    for (int time = 0; time < 2; ++time) {
      const absl::Status found = (*set)->CheckPixels({1, sample, 2});
      EXPECT_EQ(found.code(), absl::StatusCode::kDataLoss);
      EXPECT_EQ(ReasonOf(found), "CACHE_CORRUPT");
      EXPECT_THAT(std::string(found.message()),
                  AllOf(HasSubstr(path), HasSubstr('"' + (*set)->ids()[sample] + '"')));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(DecodesAgain(Options()));
    EXPECT_EQ(ReadWhole(path), whole);
    // Who has the damaged one still mapped leaves the new one alone.
    EXPECT_FALSE((*set)->CheckPixels({sample}).ok());
    EXPECT_TRUE(std::filesystem::exists(path));
  }
}

TEST_F(CacheTest, SizesThatOverflowAreRefusedThoughAllChecksumsAreRight) {
  ASSERT_TRUE(DecodesAgain(Options()));
  const std::string path = CacheFiles()[0];
  const std::string whole = ReadWhole(path);
  CacheHeader header;
  std::memcpy(&header, whole.data(), sizeof(header));
  CacheIndex index;
  ASSERT_TRUE(DecodeIndex(absl::string_view(whole).substr(whole.size() - header.index_bytes),
                          header.count, index)
                  .ok());
  // A file without pixels: images of side 0, or of one whose product with the rest is 0 in 64 bits.
  const std::string bytes = EncodeIndex(index);
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
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(writer.status()), "DISK_FULL");
  const std::string message(writer.status().message());
  EXPECT_THAT(message, AllOf(HasSubstr("need 3,458,764,513,820,545,024 bytes"),
                             HasSubstr(dir_.File("big")), HasSubstr(" are free")));
  struct statvfs disk;
  ASSERT_EQ(::statvfs(dir_.path().c_str(), &disk), 0);
  // Others write there too: in GB it is the same.
  int64_t free = 0;
  std::string digits = message.substr(message.find(", and ") + 6);
  digits = digits.substr(0, digits.find(' '));
  ASSERT_TRUE(absl::SimpleAtoi(absl::StrReplaceAll(digits, {{",", ""}}), &free)) << message;
  EXPECT_NEAR(free / 1e9, static_cast<double>(disk.f_bavail) * disk.f_frsize / 1e9, 2);
  EXPECT_FALSE(std::filesystem::exists(dir_.File("big.tmp")));
}

}  // namespace
}  // namespace skytrain::data
