#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "common/spool/spool.h"
#include "common/spool/spool_format.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

struct Read {
  std::vector<std::string> payloads;
  uint64_t skipped = 0;
};

// A spool of numbered frames, and copies of it with something wrong.
class SpoolDamageTest : public ::testing::Test {
 protected:
  TempDir dir_;
  std::vector<std::string> written_;
  std::vector<uint64_t> ends_;  // Of each frame.
  std::string bytes_;

  void WriteFrames(const std::vector<size_t>& sizes) {
    const std::string path = dir_.File("original.spool");
    auto writer = SpoolWriter::Create(FileSystem::Posix(), path);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (size_t i = 0; i < sizes.size(); ++i) {
      std::string payload = std::to_string(i) + ":";
      payload.resize(std::max(sizes[i], payload.size()), static_cast<char>('a' + i % 26));
      ASSERT_TRUE((*writer)->Append(FrameType::kEvent, payload).ok());
      written_.push_back(payload);
      ends_.push_back((*writer)->size());
    }
    bytes_ = ReadWhole(path);
  }

  Read ReadCopy(const std::string& bytes) {
    const std::string path = dir_.File("copy.spool");
    WriteWhole(path, bytes);
    Read read;
    auto reader = SpoolReader::Open(path, 0);
    EXPECT_TRUE(reader.ok()) << reader.status();
    while (true) {
      const auto frame = (*reader)->Next();
      EXPECT_TRUE(frame.ok()) << frame.status();
      if (!frame.ok() || !frame->has_value()) break;
      read.payloads.push_back((*frame)->payload);
    }
    read.skipped = (*reader)->skipped_bytes();
    return read;
  }

  std::vector<std::string> FramesThatEndBy(uint64_t size) const {
    std::vector<std::string> whole;
    for (size_t i = 0; i < ends_.size() && ends_[i] <= size; ++i) whole.push_back(written_[i]);
    return whole;
  }
};

TEST_F(SpoolDamageTest, AFileCutAtAnyByteGivesTheWholeFramesBeforeTheCut) {
  WriteFrames({40, 0, 3, 200, 17, 1});
  for (size_t cut = 0; cut <= bytes_.size(); ++cut) {
    const Read read = ReadCopy(bytes_.substr(0, cut));
    ASSERT_EQ(read.payloads, FramesThatEndBy(cut)) << cut;
    ASSERT_EQ(read.skipped, 0u) << cut;
  }
}

TEST_F(SpoolDamageTest, ATailThatReadsAsZerosIsNotDamageAndIsReadOnceItIsThere) {
  WriteFrames({40, 0, 3, 200, 17, 1});
  const std::string path = dir_.File("growing.spool");
  // The file's header is synced as a whole before anything else is written.
  for (size_t cut = spool::kFileHeaderSize; cut <= bytes_.size(); ++cut) {
    WriteWhole(path, bytes_.substr(0, cut) + std::string(100000, '\0'));
    auto reader = SpoolReader::Open(path, 0);
    ASSERT_TRUE(reader.ok());
    const std::vector<std::string> before = FramesThatEndBy(cut);
    for (const std::string& payload : before) {
      // A cut within trailing zeros of a header could make a frame whole; payloads hold none.
      ASSERT_EQ((*reader)->Next()->value().payload, payload) << cut;
    }
    ASSERT_FALSE((*reader)->Next()->has_value()) << cut;
    WriteWhole(path, bytes_);
    for (size_t i = before.size(); i < written_.size(); ++i) {
      ASSERT_EQ((*reader)->Next()->value().payload, written_[i]) << cut;
    }
    ASSERT_EQ((*reader)->skipped_bytes(), 0u);
  }
}

TEST_F(SpoolDamageTest, AnyFlippedBitCostsAtMostTheRestOfItsBlock) {
  std::vector<size_t> sizes(60, 2000);
  WriteFrames(sizes);  // About four blocks.
  std::mt19937 random(5);
  for (int trial = 0; trial < 300; ++trial) {
    const size_t at = spool::kFileHeaderSize + random() % (bytes_.size() - spool::kFileHeaderSize);
    std::string damaged = bytes_;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
    const uint64_t block = at / spool::kBlockSize * spool::kBlockSize;
    std::vector<std::string> expected;
    for (size_t i = 0; i < ends_.size(); ++i) {
      const uint64_t start = ends_[i] - written_[i].size() - spool::kFrameHeaderSize;
      const bool before = ends_[i] <= at;
      const bool later_block = start >= block + spool::kBlockSize;
      // Padding is no frame; the frame before it is not hurt by a flip there.
      if (before || later_block) expected.push_back(written_[i]);
    }
    ASSERT_EQ(ReadCopy(damaged).payloads, expected) << at;
  }
}

TEST_F(SpoolDamageTest, AFlippedBitInThePaddingCostsNothing) {
  WriteFrames({20000, 20000, 20000});
  std::string damaged = bytes_;
  damaged[25000] = 1;
  const Read read = ReadCopy(damaged);
  EXPECT_EQ(read.payloads, written_);
}

TEST_F(SpoolDamageTest, AHoleOfWholeBlocksIsSkippedAndCounted) {
  WriteFrames(std::vector<size_t>(40, 10000));
  std::string damaged = bytes_;
  const size_t from = spool::kBlockSize, to = 3 * spool::kBlockSize;
  std::fill(damaged.begin() + from, damaged.begin() + to, '\0');
  const Read read = ReadCopy(damaged);
  EXPECT_EQ(read.payloads.front(), written_.front());
  EXPECT_EQ(read.payloads.back(), written_.back());
  EXPECT_EQ(read.payloads.size(), written_.size() - 6);  // Three a block.
  EXPECT_EQ(read.skipped, to - from);
}

TEST_F(SpoolDamageTest, ADamagedFrameOfManyBlocksIsSkipped) {
  WriteFrames({10, 500000, 10, 10});
  std::string damaged = bytes_;
  damaged[ends_[1] - 1] ^= 1;
  const Read read = ReadCopy(damaged);
  // The small frames after it share its last block, so they go with it.
  EXPECT_EQ(read.payloads, std::vector<std::string>{written_[0]});
}

TEST_F(SpoolDamageTest, FramesOfAnotherSpoolInsideAPayloadAreNotTaken) {
  WriteFrames(std::vector<size_t>(30, 8000));
  const std::string inner = bytes_;
  const std::string path = dir_.File("outer.spool");
  auto writer = SpoolWriter::Create(FileSystem::Posix(), path);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Append(FrameType::kEvent, "first").ok());
  // Begins at a block boundary, so that the inner file's frames lie at boundaries too.
  ASSERT_TRUE((*writer)->Append(FrameType::kEvent, inner.substr(9)).ok());
  ASSERT_TRUE((*writer)->Append(FrameType::kEvent, std::string(40000, 'z')).ok());
  std::string outer = ReadWhole(path);
  outer[spool::kBlockSize] ^= 1;  // The CRC of the large frame.
  EXPECT_EQ(ReadCopy(outer).payloads, (std::vector<std::string>{"first", std::string(40000, 'z')}));
}

}  // namespace
}  // namespace skytrain
