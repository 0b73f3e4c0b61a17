#include "common/spool/spool.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <vector>

#include "common/spool/spool_format.h"
#include "tests/support/fault_injecting_file_system.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

std::string RandomBytes(std::mt19937& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::vector<std::string> ReadAll(SpoolReader& reader) {
  std::vector<std::string> payloads;
  while (true) {
    auto frame = reader.Next();
    if (!frame.ok()) ADD_FAILURE() << frame.status();
    if (!frame.ok() || !frame->has_value()) return payloads;
    payloads.push_back((*frame)->payload);
  }
}

class SpoolTest : public ::testing::Test {
 protected:
  TempDir dir_;
  const std::string path_ = dir_.File("rank-0.spool");

  std::unique_ptr<SpoolWriter> NewWriter(FileSystem& fs = FileSystem::Posix()) {
    auto writer = SpoolWriter::Create(fs, path_);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return *std::move(writer);
  }
  std::unique_ptr<SpoolReader> NewReader(uint64_t offset = 0) {
    auto reader = SpoolReader::Open(path_, offset);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }
};

TEST_F(SpoolTest, FramesComeBackInOrderWithTheirTypes) {
  auto writer = NewWriter();
  ASSERT_TRUE(writer->Append(FrameType::kRecord, "started").ok());
  ASSERT_TRUE(writer->Append(FrameType::kEvent, "").ok());
  ASSERT_TRUE(writer->Append(FrameType::kEvent, std::string(3, '\0')).ok());

  auto reader = NewReader();
  auto frame = reader->Next();
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_EQ((*frame)->type, FrameType::kRecord);
  EXPECT_EQ((*frame)->payload, "started");
  EXPECT_EQ((*frame)->end_offset, reader->offset());
  EXPECT_EQ(ReadAll(*reader), (std::vector<std::string>{"", std::string(3, '\0')}));
  EXPECT_EQ(reader->skipped_bytes(), 0u);
  EXPECT_EQ(reader->offset(), writer->size());
}

TEST_F(SpoolTest, ASpoolHasOneWriterInItsLife) {
  NewWriter();
  EXPECT_TRUE(absl::IsAlreadyExists(SpoolWriter::Create(FileSystem::Posix(), path_).status()));
}

TEST_F(SpoolTest, ThereIsNoReaderWhileThereIsNoFile) {
  EXPECT_TRUE(absl::IsNotFound(SpoolReader::Open(path_, 0).status()));
}

TEST_F(SpoolTest, AnyFileThatIsNotASpoolIsRefused) {
  WriteWhole(path_, "name,value\ntrain/loss,0.1\n");
  EXPECT_TRUE(absl::IsDataLoss(NewReader()->Next().status()));
}

// Every payload size around the places where a frame just fits a block, and where the rest of the
// block has no room for a frame header.
TEST_F(SpoolTest, SizesAroundABlockBoundaryComeBack) {
  auto writer = NewWriter();
  std::mt19937 random(1);
  std::vector<std::string> written;
  for (int delta = -24; delta <= 24; ++delta) {
    const size_t room = spool::RoomInBlock(writer->size());
    const auto size = static_cast<int64_t>(room) + delta - 9;
    written.push_back(RandomBytes(random, size > 0 ? static_cast<size_t>(size) : 0));
    written.push_back(RandomBytes(random, 5));
    ASSERT_TRUE(writer->AppendAll(FrameType::kEvent, &written[written.size() - 2], 2).ok());
  }
  auto reader = NewReader();
  EXPECT_EQ(ReadAll(*reader), written);
  EXPECT_EQ(reader->skipped_bytes(), 0u);
}

TEST_F(SpoolTest, FramesLargerThanABlockAreAllowedUpToTheLimit) {
  auto writer = NewWriter();
  std::mt19937 random(2);
  const std::vector<std::string> written = {"small", RandomBytes(random, spool::kMaxPayload),
                                            "between", RandomBytes(random, 100000), "last"};
  for (const std::string& payload : written) {
    ASSERT_TRUE(writer->Append(FrameType::kEvent, payload).ok());
  }
  EXPECT_TRUE(absl::IsInvalidArgument(
      writer->Append(FrameType::kEvent, std::string(spool::kMaxPayload + 1, 'x'))));
  auto reader = NewReader();
  EXPECT_EQ(ReadAll(*reader), written);
}

TEST_F(SpoolTest, EveryEndOffsetIsAPlaceToGoOn) {
  auto writer = NewWriter();
  std::vector<std::string> written;
  for (int i = 0; i < 300; ++i) {
    written.push_back(std::to_string(i) + std::string(static_cast<size_t>(i) * 7, '.'));
  }
  ASSERT_TRUE(writer->AppendAll(FrameType::kEvent, written.data(), written.size()).ok());
  auto reader = NewReader();
  for (size_t i = 0; i < written.size(); ++i) {
    const auto frame = reader->Next();
    ASSERT_TRUE(frame.ok() && frame->has_value());
    const std::vector<std::string> rest(written.begin() + static_cast<int64_t>(i) + 1,
                                        written.end());
    ASSERT_EQ(ReadAll(*NewReader((*frame)->end_offset)), rest) << i;
  }
}

TEST_F(SpoolTest, AReaderGoesOnWhenTheWriterDoes) {
  auto writer = NewWriter();
  auto reader = NewReader();
  EXPECT_TRUE(ReadAll(*reader).empty());
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    const std::string payload = RandomBytes(random, random() % 3000);
    ASSERT_TRUE(writer->Append(FrameType::kEvent, payload).ok());
    ASSERT_EQ(ReadAll(*reader), std::vector<std::string>{payload}) << i;
  }
  EXPECT_EQ(reader->skipped_bytes(), 0u);
}

TEST_F(SpoolTest, AFullDiskTearsOneFrameAndTheRestIsReadable) {
  for (const uint64_t room : {0, 1, 8, 9, 10, 60}) {
    SCOPED_TRACE(room);
    std::filesystem::remove(path_);
    FaultInjectingFileSystem fs;
    auto writer = NewWriter(fs);
    ASSERT_TRUE(writer->Append(FrameType::kEvent, "before").ok());
    fs.LimitDisk(room);
    EXPECT_TRUE(
        absl::IsResourceExhausted(writer->Append(FrameType::kEvent, std::string(100, 'x'))));
    EXPECT_TRUE(
        absl::IsResourceExhausted(writer->Append(FrameType::kEvent, std::string(100, 'y'))));
    fs.UnlimitDisk();
    auto reader = NewReader();
    EXPECT_EQ(ReadAll(*reader), std::vector<std::string>{"before"});
    ASSERT_TRUE(writer->Append(FrameType::kEvent, "after").ok());
    EXPECT_EQ(ReadAll(*reader), std::vector<std::string>{"after"});
    EXPECT_EQ(reader->offset(), writer->size());
  }
}

TEST_F(SpoolTest, HeaderAndNameAreOnDiskBeforeTheFirstFrame) {
  FaultInjectingFileSystem fs;
  auto writer = NewWriter(fs);
  ASSERT_TRUE(writer->Append(FrameType::kEvent, "synced").ok());
  ASSERT_TRUE(writer->Sync().ok());
  ASSERT_TRUE(writer->Append(FrameType::kEvent, "lost").ok());
  fs.DropUnsynced();
  EXPECT_EQ(ReadAll(*NewReader()), std::vector<std::string>{"synced"});
}

}  // namespace
}  // namespace skytrain
