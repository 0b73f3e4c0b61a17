#include "server/events/spool_tailer.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skytrain/internal/v1/attempt.pb.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;

class SpoolTailerTest : public ::testing::Test {
 protected:
  SpoolTailerTest() : attempt_(FileSystem::Posix(), dir_.File("job-1")) {
    internal::v1::AttemptSpec spec;
    spec.set_job_uid("job");
    EXPECT_TRUE(attempt_.Create(spec).ok());
    rank_ = *SpoolWriter::Create(FileSystem::Posix(), attempt_.RankSpoolPath(0));
  }
  void Write(const std::string& payload) {
    ASSERT_TRUE(rank_->Append(FrameType::kEvent, payload).ok());
  }
  std::vector<std::string> Read(SpoolTailer& tailer, int64_t max_bytes = 1 << 20) {
    std::vector<std::string> payloads;
    const auto read = tailer.Read(
        max_bytes,
        [&](absl::string_view, FrameType, absl::string_view p) { payloads.emplace_back(p); });
    EXPECT_TRUE(read.ok()) << read.status();
    return payloads;
  }
  TempDir dir_;
  AttemptDir attempt_;
  std::unique_ptr<SpoolWriter> rank_;
};

TEST_F(SpoolTailerTest, ReadsWhatIsNewOfASpoolThatGrows) {
  SpoolTailer tailer(attempt_, {});
  Write("a");
  EXPECT_THAT(Read(tailer), ElementsAre("a"));
  EXPECT_THAT(Read(tailer), ElementsAre());
  Write("b");
  EXPECT_THAT(Read(tailer), ElementsAre("b"));
}

TEST_F(SpoolTailerTest, RollbackGivesTheSameFramesAgainAndCommitDoesNot) {
  SpoolTailer tailer(attempt_, {});
  Write("a");
  Read(tailer);
  tailer.Commit();
  Write("b");
  EXPECT_THAT(Read(tailer), ElementsAre("b"));
  tailer.Rollback();
  EXPECT_THAT(Read(tailer), ElementsAre("b"));
  tailer.Commit();
  EXPECT_THAT(Read(tailer), ElementsAre());
}

// The protocol of the header: a new object stands for a new daemon, `stored` for the database.
TEST_F(SpoolTailerTest, EveryFrameIsStoredOnceThoughTheDaemonDiesAtAnyStep) {
  std::vector<std::string> written, stored;
  SpoolTailer::Offsets offsets;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 3; ++i) {
      written.push_back(absl::StrCat("frame ", written.size(), std::string(round * 400, 'x')));
      Write(written.back());
    }
    SpoolTailer tailer(attempt_, offsets);
    const int dies_at = round % 3;
    const std::vector<std::string> read = Read(tailer, 2000);
    if (dies_at == 0) continue;  // Before the transaction.
    stored.insert(stored.end(), read.begin(), read.end());
    for (const auto& [file, offset] : tailer.MovedOffsets()) offsets = {{file, offset}};
    if (dies_at == 1) continue;  // After the transaction, before Commit.
    tailer.Commit();
  }
  SpoolTailer tailer(attempt_, offsets);
  for (auto rest = Read(tailer); !rest.empty(); rest = Read(tailer)) {
    stored.insert(stored.end(), rest.begin(), rest.end());
  }
  EXPECT_EQ(stored, written);
}

TEST_F(SpoolTailerTest, NothingBeyondTheEndIsGivenOut) {
  Write("a");
  const uint64_t end = rank_->size();
  Write("late");
  SpoolTailer tailer(attempt_, {});
  tailer.SetEnd("rank-0.spool", end);
  EXPECT_FALSE(tailer.ReachedEnds());
  EXPECT_THAT(Read(tailer), ElementsAre("a"));
  EXPECT_TRUE(tailer.ReachedEnds());
}

TEST_F(SpoolTailerTest, TornFrameAtTheEndCountsAsRead) {
  Write("a");
  const std::string path = attempt_.RankSpoolPath(0);
  Write(std::string(100, 'b'));
  const std::string whole = ReadWhole(path);
  WriteWhole(path, whole.substr(0, whole.size() - 10));
  SpoolTailer tailer(attempt_, {});
  tailer.SetEnd("rank-0.spool", whole.size() - 10);
  EXPECT_THAT(Read(tailer), ElementsAre("a"));
  Read(tailer);
  EXPECT_TRUE(tailer.ReachedEnds());
}

TEST_F(SpoolTailerTest, OffsetBeyondTheFileAfterAPowerLossIsNoError) {
  Write("a");
  SpoolTailer tailer(attempt_, {{"rank-0.spool", 1 << 20}});
  EXPECT_THAT(Read(tailer), ElementsAre());
}

TEST_F(SpoolTailerTest, DamageInTheMiddleIsSkippedAndCounted) {
  for (int i = 0; i < 40; ++i) Write(std::string(2000, static_cast<char>('a' + i % 26)));
  std::string bytes = ReadWhole(attempt_.RankSpoolPath(0));
  bytes[5000] = static_cast<char>(bytes[5000] ^ 0xff);
  WriteWhole(attempt_.RankSpoolPath(0), bytes);
  SpoolTailer tailer(attempt_, {});
  const auto read = Read(tailer);
  EXPECT_LT(read.size(), 40u);
  EXPECT_GT(read.size(), 10u);
  EXPECT_GT(tailer.TakeSkippedBytes(), 0u);
  EXPECT_EQ(tailer.TakeSkippedBytes(), 0u);
}

}  // namespace
}  // namespace skytrain
