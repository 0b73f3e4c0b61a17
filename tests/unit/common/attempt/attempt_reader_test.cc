#include "common/attempt/attempt_reader.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

class AttemptReaderTest : public ::testing::Test {
 protected:
  TempDir temp_;
  AttemptDir dir_{FileSystem::Posix(), temp_.File("uid-1")};

  void SetUp() override { ASSERT_TRUE(dir_.Create(internal::v1::AttemptSpec()).ok()); }

  static std::unique_ptr<SpoolWriter> NewSpool(const std::string& path) {
    auto writer = SpoolWriter::Create(FileSystem::Posix(), path);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return *std::move(writer);
  }
  static void Put(SpoolWriter& spool, absl::string_view payload) {
    ASSERT_TRUE(spool.Append(FrameType::kEvent, payload).ok());
  }
  // Frames as "file:payload".
  static std::vector<std::string> Poll(AttemptReader& reader, uint64_t max_bytes = UINT64_MAX) {
    std::vector<std::string> frames;
    const auto count = reader.Poll(max_bytes, [&](const AttemptFrame& frame) {
      frames.push_back(absl::StrCat(frame.file, ":", frame.payload));
      return absl::OkStatus();
    });
    EXPECT_TRUE(count.ok()) << count.status();
    EXPECT_EQ(count.value_or(0), frames.size());
    return frames;
  }
};

TEST_F(AttemptReaderTest, ReadsFilesThatAppearAndGrow) {
  AttemptReader reader(dir_);
  EXPECT_TRUE(Poll(reader).empty());
  auto rank = NewSpool(dir_.RankSpoolPath(0));
  Put(*rank, "one");
  EXPECT_EQ(Poll(reader), std::vector<std::string>{"rank-0.spool:one"});
  auto shepherd = NewSpool(dir_.ShepherdSpoolPath());
  Put(*shepherd, "hello");
  Put(*rank, "two");
  EXPECT_EQ(Poll(reader), (std::vector<std::string>{"rank-0.spool:two", "shepherd.spool:hello"}));
  EXPECT_TRUE(Poll(reader).empty());
}

TEST_F(AttemptReaderTest, GoesOnAtStoredOffsets) {
  auto rank = NewSpool(dir_.RankSpoolPath(0));
  Put(*rank, "one");
  AttemptReader first(dir_);
  Poll(first);
  Put(*rank, "two");
  AttemptReader second(dir_, first.offsets());
  EXPECT_EQ(Poll(second), std::vector<std::string>{"rank-0.spool:two"});
}

TEST_F(AttemptReaderTest, AFrameThatTheSinkRefusesIsGivenAgain) {
  auto rank = NewSpool(dir_.RankSpoolPath(0));
  Put(*rank, "one");
  Put(*rank, "two");
  AttemptReader reader(dir_);
  int calls = 0;
  const auto status = reader.Poll(UINT64_MAX, [&](const AttemptFrame&) {
    return ++calls == 2 ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsResourceExhausted(status.status()));
  AttemptReader other(dir_, reader.offsets());
  EXPECT_EQ(Poll(reader), std::vector<std::string>{"rank-0.spool:two"});
  EXPECT_EQ(Poll(other), std::vector<std::string>{"rank-0.spool:two"});
}

TEST_F(AttemptReaderTest, StopsAfterAboutTheAllowedBytes) {
  auto rank = NewSpool(dir_.RankSpoolPath(0));
  for (int i = 0; i < 10; ++i) Put(*rank, std::string(1000, 'x'));
  AttemptReader reader(dir_);
  EXPECT_EQ(Poll(reader, 2500).size(), 3u);
  EXPECT_EQ(Poll(reader).size(), 7u);
}

TEST_F(AttemptReaderTest, WhatWasWrittenAfterTheEndIsNotGiven) {
  auto rank = NewSpool(dir_.RankSpoolPath(0));
  Put(*rank, "in time");
  internal::v1::ExitRecord record;
  auto* size = record.add_spools();
  size->set_file("rank-0.spool");
  size->set_bytes(static_cast<int64_t>(rank->size()));
  Put(*rank, "too late");
  auto zombie = NewSpool(dir_.RankSpoolPath(1));
  Put(*zombie, "too late");
  AttemptReader reader(dir_);
  reader.EndAt(record);
  EXPECT_EQ(Poll(reader), std::vector<std::string>{"rank-0.spool:in time"});
  EXPECT_TRUE(Poll(reader).empty());
}

TEST_F(AttemptReaderTest, TheResultIsFoundAtTheEndOfALongSpool) {
  for (const int events : {0, 10, 3000}) {
    SCOPED_TRACE(events);
    const std::string path = dir_.RankSpoolPath(events);
    auto rank = NewSpool(path);
    for (int i = 0; i < events; ++i) Put(*rank, std::string(500, 'x'));
    EXPECT_FALSE(ReadRankResult(path)->has_value());
    internal::v1::Record record;
    record.mutable_rank_result()->set_end(v1::NON_FINITE_LOSS);
    ASSERT_TRUE(rank->Append(FrameType::kRecord, record.SerializeAsString()).ok());
    const auto result = ReadRankResult(path);
    ASSERT_TRUE(result.ok() && result->has_value());
    EXPECT_EQ((*result)->end(), v1::NON_FINITE_LOSS);
  }
  EXPECT_TRUE(absl::IsNotFound(ReadRankResult(dir_.RankSpoolPath(77)).status()));
}

}  // namespace
}  // namespace skytrain
