#include "common/attempt/exit_record.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using internal::v1::ExitRecord;

class ExitRecordTest : public ::testing::Test {
 protected:
  TempDir dir_;
  const std::string path_ = dir_.File("exit.binpb");
  ExitRecord record_;

  void SetUp() override {
    record_.set_end(v1::COMPLETED);
    record_.set_message("all fine");
    record_.set_failed_rank(-1);
  }
};

TEST_F(ExitRecordTest, ThereIsNoRecordBeforeItIsWritten) {
  EXPECT_FALSE(ReadExitRecord(FileSystem::Posix(), path_)->has_value());
  ASSERT_TRUE(PreallocateExitRecord(FileSystem::Posix(), path_).ok());
  EXPECT_FALSE(ReadExitRecord(FileSystem::Posix(), path_)->has_value());
}

TEST_F(ExitRecordTest, TheRecordGoesIntoItsReservation) {
  ASSERT_TRUE(PreallocateExitRecord(FileSystem::Posix(), path_).ok());
  const auto size = std::filesystem::file_size(path_);
  ASSERT_TRUE(WriteExitRecord(FileSystem::Posix(), path_, record_).ok());
  EXPECT_EQ(std::filesystem::file_size(path_), size);
  const auto read = ReadExitRecord(FileSystem::Posix(), path_);
  ASSERT_TRUE(read.ok() && read->has_value());
  EXPECT_EQ((*read)->SerializeAsString(), record_.SerializeAsString());
}

TEST_F(ExitRecordTest, AReservationIsNotNeeded) {
  ASSERT_TRUE(WriteExitRecord(FileSystem::Posix(), path_, record_).ok());
  EXPECT_EQ((*ReadExitRecord(FileSystem::Posix(), path_))->message(), "all fine");
}

TEST_F(ExitRecordTest, ATornRecordIsNone) {
  ASSERT_TRUE(PreallocateExitRecord(FileSystem::Posix(), path_).ok());
  ASSERT_TRUE(WriteExitRecord(FileSystem::Posix(), path_, record_).ok());
  const std::string whole = ReadWhole(path_);
  const size_t used = 8 + record_.ByteSizeLong();
  for (size_t cut = 0; cut < used; ++cut) {
    std::string torn = whole.substr(0, cut);
    WriteWhole(path_, torn);
    EXPECT_FALSE(ReadExitRecord(FileSystem::Posix(), path_)->has_value()) << cut;
    torn.resize(whole.size(), '\0');
    WriteWhole(path_, torn);
    // Cut within trailing zeros of the message nothing is missing.
    EXPECT_EQ(ReadExitRecord(FileSystem::Posix(), path_)->has_value(), torn == whole) << cut;
  }
}

TEST_F(ExitRecordTest, AFlippedBitIsNoticed) {
  ASSERT_TRUE(WriteExitRecord(FileSystem::Posix(), path_, record_).ok());
  const std::string whole = ReadWhole(path_);
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    WriteWhole(path_, damaged);
    EXPECT_FALSE(ReadExitRecord(FileSystem::Posix(), path_)->has_value()) << bit;
  }
}

TEST_F(ExitRecordTest, AVeryLongMessageIsCutToFitTheReservation) {
  record_.set_message(std::string(1 << 20, 'x'));
  ASSERT_TRUE(PreallocateExitRecord(FileSystem::Posix(), path_).ok());
  const auto size = std::filesystem::file_size(path_);
  ASSERT_TRUE(WriteExitRecord(FileSystem::Posix(), path_, record_).ok());
  EXPECT_EQ(std::filesystem::file_size(path_), size);
  EXPECT_EQ((*ReadExitRecord(FileSystem::Posix(), path_))->end(), v1::COMPLETED);
}

}  // namespace
}  // namespace skytrain
