#include "server/blobs/upload_store.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "common/ids.h"
#include "tests/unit/server/blobs/upload_fixture.h"

namespace skytrain {
namespace {

using UploadStoreTest = UploadFixture;

TEST_F(UploadStoreTest, BlobIsReadableOnceItIsWholeAndNotBefore) {
  const std::string bytes = Bytes(10'000);
  EXPECT_EQ(Committed(bytes), -1);
  ASSERT_TRUE(Send(bytes, 0, 9'999).ok());
  EXPECT_EQ(Committed(bytes), 9'999);
  EXPECT_EQ(ReasonOf(Fetch(bytes).status()), "BLOB_NOT_FOUND");
  ASSERT_TRUE(Send(bytes, 9'999, 10'000).ok());
  EXPECT_EQ(Committed(bytes), 10'000);
  const auto got = Fetch(bytes);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(*got == bytes);
  EXPECT_EQ(PartCount(), 0);
}

TEST_F(UploadStoreTest, UploadGoesOnFromEveryChunkBoundaryAndFromAnyByteBefore) {
  for (int64_t broken = 0; broken <= 5'000; broken += 500) {
    for (const int64_t back : {0, 1, 700}) {
      const std::string bytes = Bytes(5'000, 7 + broken * 3 + back);
      ASSERT_TRUE(Send(bytes, 0, broken, 500).ok());
      Restart();
      const int64_t from = std::max<int64_t>(broken - back, 0);
      const absl::Status status = Send(bytes, from, 5'000, 500);
      ASSERT_TRUE(status.ok()) << broken << " " << back << " " << status;
      const auto got = Fetch(bytes);
      ASSERT_TRUE(got.ok()) << broken << " " << back << " " << got.status();
      EXPECT_TRUE(*got == bytes);
    }
  }
}

TEST_F(UploadStoreTest, EmptyFileIsAFileToo) {
  ASSERT_TRUE(Send("", 0, 0).ok());
  const auto got = Fetch("");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, "");
}

TEST_F(UploadStoreTest, BadChunksEndTheStreamAndLeaveWhatWasRight) {
  const std::string bytes = Bytes(3'000);
  const std::string sha256 = Sha256Hex(bytes);
  const std::string longest((1 << 20) + 1, 'x');
  const absl::string_view view = bytes;
  struct Case {
    const char* what;
    int64_t offset;
    absl::string_view data;
    const char* reason;
  };
  const Case cases[] = {
      {"a gap", 1'001, view.substr(1'001, 10), "BAD_CHUNK"},
      {"before the start", -1, view.substr(0, 10), "BAD_CHUNK"},
      {"back within a stream", 0, view.substr(0, 1'000), "BAD_CHUNK"},
      {"beyond the size", 1'000, absl::string_view(longest).substr(0, 2'001), "BAD_CHUNK"},
      {"too long", 1'000, longest, "BAD_CHUNK"},
      {"far away", INT64_MAX, view.substr(0, 10), "BAD_CHUNK"}};
  for (const Case& c : cases) {
    {
      auto upload = store_->Begin(sha256, bytes.size(), "ada");
      ASSERT_TRUE(upload.ok()) << upload.status();
      ASSERT_TRUE(Add(**upload, 0, view.substr(0, 1'000)).ok());
      EXPECT_EQ(ReasonOf(Add(**upload, c.offset, c.data)), c.reason) << c.what;
    }
    EXPECT_EQ(Committed(bytes), 1'000) << c.what;
  }
  {
    auto upload = store_->Begin(sha256, bytes.size(), "ada");
    ASSERT_TRUE(upload.ok());
    EXPECT_EQ(ReasonOf((*upload)->Add(1'000, view.substr(1'000, 500), 12345)), "CHUNK_CORRUPT");
  }
  EXPECT_EQ(Committed(bytes), 1'000);
  EXPECT_TRUE(Send(bytes, 1'000, 3'000).ok());
}

TEST_F(UploadStoreTest, WrongDigestIsThrownAway) {
  const std::string bytes = Bytes(3'000), other = Bytes(3'000, 2);
  auto upload = store_->Begin(Sha256Hex(bytes), bytes.size(), "ada");
  ASSERT_TRUE(upload.ok());
  const absl::Status status = Add(**upload, 0, other);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), "DIGEST_MISMATCH");
  upload->reset();
  EXPECT_EQ(Committed(bytes), -1);
  EXPECT_EQ(PartCount(), 0);
  EXPECT_TRUE(SendAll(bytes).ok());
}

TEST_F(UploadStoreTest, PartThatIsLongerThanTheFileIsStartedAgain) {
  const std::string bytes = Bytes(3'000);
  {
    auto upload = store_->Begin(Sha256Hex(bytes), 5'000, "ada");
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE(Add(**upload, 0, Bytes(4'000, 9)).ok());
  }
  EXPECT_TRUE(SendAll(bytes).ok());
}

TEST_F(UploadStoreTest, OneStreamAtATimeSendsABlob) {
  const std::string bytes = Bytes(3'000);
  auto first = store_->Begin(Sha256Hex(bytes), bytes.size(), "ada");
  ASSERT_TRUE(first.ok());
  const auto second = store_->Begin(Sha256Hex(bytes), bytes.size(), "ada");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(second.status()), "UPLOAD_BUSY");
  first->reset();
  EXPECT_TRUE(SendAll(bytes).ok());
}

TEST_F(UploadStoreTest, SendingAWholeBlobAgainAnswersAtOnce) {
  const std::string bytes = Bytes(3'000);
  ASSERT_TRUE(SendAll(bytes).ok());
  const auto again = store_->Begin(Sha256Hex(bytes), bytes.size(), "ada");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, nullptr);
}

TEST_F(UploadStoreTest, WhoKnowsOnlyTheDigestGetsNothing) {
  const std::string bytes = Bytes(3'000), sha256 = Sha256Hex(bytes);
  ASSERT_TRUE(Send(bytes, 0, 2'000).ok());
  EXPECT_EQ(Committed(bytes, "eve"), -1) << "another owner's part shows";
  {
    auto upload = store_->Begin(sha256, bytes.size(), "eve");
    ASSERT_TRUE(upload.ok()) << "another owner's stream shows";
    EXPECT_EQ((*upload)->received(), 0);
  }
  ASSERT_TRUE(Send(bytes, 2'000, 3'000).ok());
  EXPECT_EQ(ReasonOf(Fetch(bytes, "eve").status()), "BLOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->PathForJob(sha256, "eve").status()), "BLOB_NOT_FOUND");
  EXPECT_TRUE(store_->Find(sha256, std::nullopt).ok()) << "an admin finds it";
  // Who has the file itself sends it, and the first one's stays as it is.
  const auto before = std::filesystem::last_write_time(PathOf(bytes));
  ASSERT_TRUE(SendAll(bytes, "eve").ok());
  EXPECT_TRUE(Fetch(bytes, "eve").ok());
  EXPECT_EQ(std::filesystem::last_write_time(PathOf(bytes)), before);
}

TEST_F(UploadStoreTest, AdminGetsAtOnceWhatSomebodyElseHasSent) {
  store_options_.max_owner_bytes = 5'000;
  Restart();
  const std::string bytes = Bytes(3'000), sha256 = Sha256Hex(bytes), more = Bytes(2'500, 2);
  ASSERT_TRUE(Send(bytes, 0, 2'000).ok());
  {
    auto part = store_->Begin(sha256, bytes.size(), "root", /*admin=*/true);
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_NE(*part, nullptr) << "what is not there whole is nobody else's";
  }
  ASSERT_TRUE(Send(bytes, 2'000, 3'000).ok());
  ASSERT_TRUE(SendAll(more, "eve").ok());
  clock_.Advance(absl::Hours(48));
  const auto given = store_->Begin(sha256, bytes.size(), "root", /*admin=*/true);
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(*given, nullptr);
  EXPECT_EQ(Committed(bytes, "root"), 3'000);
  EXPECT_EQ(PartCount(), 0) << "what root had begun to send is of no use any more";
  EXPECT_TRUE(*Fetch(bytes, "root") == bytes);
  EXPECT_TRUE(store_->PathForJob(sha256, "root").ok());
  EXPECT_EQ(Committed(bytes, "eve"), -1);
  for (const auto& item : Garbage(absl::Hours(24), {})) {
    EXPECT_NE(item.name, BlobName(sha256)) << "it was used now";
  }
  EXPECT_EQ(ReasonOf(store_->Begin(Sha256Hex(more), more.size(), "root", true).status()),
            "BLOB_QUOTA");
  EXPECT_EQ(Committed(more, "root"), -1);

  // Damaged: it has to be sent.
  chmod(PathOf(bytes).c_str(), 0644);
  std::ofstream(PathOf(bytes), std::ios::binary) << Bytes(3'000, 7);
  auto again = store_->Begin(sha256, bytes.size(), "cleo", /*admin=*/true);
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_NE(*again, nullptr);
  ASSERT_TRUE(Add(**again, 0, bytes).ok());
  EXPECT_TRUE(*Fetch(bytes, "cleo") == bytes);
}

TEST_F(UploadStoreTest, QuotaCountsBlobsPartsAndWhatIsBeingSent) {
  store_options_.max_bytes = 5'000;
  store_options_.max_owner_bytes = 10'000;
  Restart();
  EXPECT_EQ(ReasonOf(SendAll(Bytes(5'001))), "BLOB_TOO_LARGE");
  const std::string whole = Bytes(4'000, 1), part = Bytes(3'000, 2), rest = Bytes(4'001, 3);
  ASSERT_TRUE(SendAll(whole).ok());
  ASSERT_TRUE(Send(part, 0, 2'000).ok());
  const absl::Status refused = SendAll(rest);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), "BLOB_QUOTA");
  EXPECT_TRUE(SendAll(rest, "eve").ok()) << "each owner has a quota of their own";
  {
    // On its way to 3,000 bytes: those count from the start.
    auto upload = store_->Begin(Sha256Hex(part), part.size(), "ada");
    ASSERT_TRUE(upload.ok()) << "going on is not counted twice: " << upload.status();
    EXPECT_EQ(ReasonOf(SendAll(Bytes(3'500, 4))), "BLOB_QUOTA");
  }
  EXPECT_TRUE(SendAll(Bytes(3'500, 4)).ok());
}

TEST_F(UploadStoreTest, FullDiskIsSaidAndTheUploadGoesOnWhenThereIsSpace) {
  const std::string bytes = Bytes(5'000);
  fs_.LimitDisk(2'500);
  const absl::Status status = Send(bytes, 0, 5'000);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "STORE_FULL");
  EXPECT_EQ(Committed(bytes), 2'500);
  fs_.UnlimitDisk();
  ASSERT_TRUE(Send(bytes, 2'500, 5'000).ok());
  EXPECT_TRUE(*Fetch(bytes) == bytes);
}

TEST_F(UploadStoreTest, UploadThatCannotFitIsRefusedAtOnce) {
  store_options_.reserve_bytes = int64_t{1} << 60;
  Restart();
  EXPECT_EQ(ReasonOf(SendAll(Bytes(10))), "STORE_FULL");
  EXPECT_EQ(PartCount(), 0);
}

// Everything that a client was told before a power loss is there after it.
TEST_F(UploadStoreTest, PowerLossCostsNothingThatAClientWasTold) {
  const std::string bytes = Bytes(5'000);
  ASSERT_TRUE(Send(bytes, 0, 3'000).ok());
  const int64_t told = Committed(bytes);
  EXPECT_EQ(told, 3'000);
  fs_.DropUnsynced();
  Restart();
  EXPECT_EQ(Committed(bytes), told);
  ASSERT_TRUE(Send(bytes, 3'000, 5'000).ok());
  fs_.DropUnsynced();
  Restart();
  const auto got = Fetch(bytes);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(*got == bytes);
}

// Each operation on the disk fails in turn; the next try then succeeds, and nothing wrong is ever
// read.
TEST_F(UploadStoreTest, AnyFailingOperationLeavesAnUploadThatCanBeMended) {
  for (size_t failing = 0; failing < 20; ++failing) {
    const std::string bytes = Bytes(3'000, 100 + failing);
    const size_t before = fs_.operations().size();
    fs_.FailOperation(failing, absl::InternalError("injected"), 100);
    const absl::Status status = Send(bytes, 0, 3'000);
    if (!status.ok()) {
      EXPECT_FALSE(Fetch(bytes).ok());
      const int64_t arrived = std::max<int64_t>(Committed(bytes), 0);
      const absl::Status again = Send(bytes, arrived, 3'000);
      ASSERT_TRUE(again.ok()) << failing << ": " << again;
    }
    const auto got = Fetch(bytes);
    ASSERT_TRUE(got.ok()) << failing << ": " << got.status();
    EXPECT_TRUE(*got == bytes);
    if (fs_.operations().size() - before <= failing) return;  // Beyond the last operation.
  }
  FAIL() << "an upload has more operations than this test tries";
}

TEST_F(UploadStoreTest, FlippedByteIsNamedAndNeverReadToTheEnd) {
  const std::string bytes = Bytes(2'000'000);
  ASSERT_TRUE(SendAll(bytes.substr(0, 0)).ok());
  ASSERT_TRUE(Send(bytes, 0, bytes.size(), 1 << 20).ok());
  chmod(PathOf(bytes).c_str(), 0644);
  {
    std::fstream file(PathOf(bytes), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(700'000);
    file.put(static_cast<char>(bytes[700'000] ^ 1));
  }
  const absl::Status status = Fetch(bytes).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), "BLOB_CORRUPT");
  EXPECT_NE(status.message().find(PathOf(bytes)), absl::string_view::npos) << status;
  EXPECT_EQ(ReasonOf(store_->PathForJob(Sha256Hex(bytes), "ada").status()), "BLOB_CORRUPT");
  // Sending it again mends it.
  ASSERT_TRUE(Send(bytes, 0, bytes.size(), 1 << 20).ok());
  EXPECT_TRUE(*Fetch(bytes) == bytes);
}

TEST_F(UploadStoreTest, GarbageIsWhatNobodyUsedForSoLong) {
  const std::string old = Bytes(100, 1), used = Bytes(200, 2), live = Bytes(300, 3),
                    part = Bytes(400, 4);
  for (const std::string& bytes : {old, used, live}) ASSERT_TRUE(SendAll(bytes).ok());
  ASSERT_TRUE(Send(part, 0, 350).ok());
  const auto names = [&](absl::Duration age) {
    std::vector<std::string> found;
    for (const auto& item : Garbage(age, {BlobName(Sha256Hex(live))})) {
      found.push_back(item.name);
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  EXPECT_TRUE(names(absl::Hours(24)).empty());
  clock_.Advance(absl::Hours(48));
  ASSERT_TRUE(store_->PathForJob(Sha256Hex(used), "ada").ok());
  std::vector<std::string> expected{BlobName(Sha256Hex(old)), BlobName(Sha256Hex(part))};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(names(absl::Hours(24)), expected);

  // Used, or sent on, between the look and the removal: stays.
  const auto garbage = Garbage(absl::Hours(24), {});
  ASSERT_EQ(garbage.size(), 3u);
  ASSERT_TRUE(store_->PathForJob(Sha256Hex(live), "ada").ok());
  {
    auto upload = store_->Begin(Sha256Hex(part), part.size(), "ada");
    ASSERT_TRUE(upload.ok());
    for (const auto& item : garbage) {
      const bool removed = *store_->Remove(item);
      EXPECT_EQ(removed, item.name == BlobName(Sha256Hex(old))) << item.path;
    }
  }
  EXPECT_EQ(ReasonOf(Fetch(old).status()), "BLOB_NOT_FOUND");
  EXPECT_FALSE(std::filesystem::exists(PathOf(old)));
  EXPECT_TRUE(Fetch(live).ok());
  EXPECT_TRUE(SendAll(old).ok()) << "what was removed can be sent again";
}

TEST_F(UploadStoreTest, FileWithoutARowIsGarbageUntilItIsSentAgain) {
  const std::string bytes = Bytes(3'000);
  std::filesystem::create_directories(std::filesystem::path(PathOf(bytes)).parent_path());
  std::ofstream(PathOf(bytes), std::ios::binary) << bytes;
  EXPECT_EQ(ReasonOf(Fetch(bytes).status()), "BLOB_NOT_FOUND");
  clock_.Advance(absl::Hours(48));
  const auto garbage = Garbage(absl::Hours(24), {});
  ASSERT_EQ(garbage.size(), 1u);
  EXPECT_EQ(garbage[0].path, PathOf(bytes));
  ASSERT_TRUE(SendAll(bytes).ok());
  EXPECT_TRUE(Garbage(absl::Hours(24), {}).empty());
}

}  // namespace
}  // namespace skytrain
