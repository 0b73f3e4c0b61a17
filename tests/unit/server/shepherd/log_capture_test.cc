#include "server/shepherd/log_capture.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/fault_injecting_file_system.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

class LogCaptureTest : public ::testing::Test {
 protected:
  TempDir dir_;
  FaultInjectingFileSystem fs_;
  std::unique_ptr<SpoolWriter> spool_;
  int fds_[2] = {-1, -1};

  void SetUp() override {
    spool_ = SpoolWriter::Create(fs_, dir_.File("shepherd.spool")).value();
    ASSERT_EQ(pipe2(fds_, O_CLOEXEC | O_NONBLOCK), 0);
  }
  void TearDown() override {
    close(fds_[0]);
    if (fds_[1] >= 0) close(fds_[1]);
  }
  LogCapture NewCapture(uint64_t quota) {
    return LogCapture(1, v1::LogChunk::STREAM_STDERR, fds_[0], quota, *spool_);
  }
  void Print(absl::string_view text) {
    ASSERT_EQ(write(fds_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::vector<v1::Event> Events() {
    std::vector<v1::Event> events;
    auto reader = SpoolReader::Open(dir_.File("shepherd.spool"), 0).value();
    for (auto frame = reader->Next(); frame.ok() && frame->has_value(); frame = reader->Next()) {
      EXPECT_TRUE(events.emplace_back().ParseFromString((*frame)->payload));
    }
    return events;
  }
};

TEST_F(LogCaptureTest, BytesArriveAsTheyAreWithRankAndStream) {
  LogCapture capture = NewCapture(1000);
  const std::string text("half a character \xc3 and\0zero", 27);
  Print(text);
  EXPECT_TRUE(capture.Read());
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].log().data(), text);
  EXPECT_EQ(events[0].log().rank(), 1);
  EXPECT_EQ(events[0].log().stream(), v1::LogChunk::STREAM_STDERR);
  EXPECT_TRUE(events[0].has_time());
}

TEST_F(LogCaptureTest, AnEmptyPipeIsNotTheEndAClosedOneIs) {
  LogCapture capture = NewCapture(1000);
  EXPECT_TRUE(capture.Read());
  close(fds_[1]);
  fds_[1] = -1;
  EXPECT_FALSE(capture.Read());
}

TEST_F(LogCaptureTest, BeyondTheQuotaOneGapAtOnceAndTheCountAtTheEnd) {
  LogCapture capture = NewCapture(10);
  for (int i = 0; i < 5; ++i) {
    Print("12345678");
    EXPECT_TRUE(capture.Read());
  }
  capture.Finish();
  std::string kept;
  std::vector<v1::Gap> gaps;
  for (const v1::Event& event : Events()) {
    kept += event.log().data();
    if (event.has_gap()) gaps.push_back(event.gap());
  }
  EXPECT_EQ(kept, "1234567812");
  ASSERT_EQ(gaps.size(), 2u);
  EXPECT_THAT(gaps[0].reason(), HasSubstr("rank 1 stderr"));
  EXPECT_EQ(gaps[1].records(), 30);
}

TEST_F(LogCaptureTest, WhatAFullDiskTakesIsCountedAndTheRankNeverWaits) {
  LogCapture capture = NewCapture(1000);
  fs_.LimitDisk(0);
  Print("lost");
  EXPECT_TRUE(capture.Read());
  fs_.UnlimitDisk();
  Print("kept");
  capture.Finish();
  const auto events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].log().data(), "kept");
  EXPECT_EQ(events[1].gap().records(), 4);
}

TEST_F(LogCaptureTest, LastWordsAreTheEndOfWhatWasPrinted) {
  LogCapture capture = NewCapture(1);
  Print(std::string(5000, 'x') + "terminate called");
  EXPECT_TRUE(capture.Read());
  EXPECT_EQ(capture.last_words().size(), 2048u);
  EXPECT_THAT(capture.last_words(), ::testing::EndsWith("terminate called"));
}

}  // namespace
}  // namespace skytrain
