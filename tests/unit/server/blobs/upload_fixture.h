#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "common/clock.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "server/blobs/upload_store.h"
#include "tests/support/fault_injecting_file_system.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/blobs/read_all.h"

namespace skytrain {

// An upload store on a real disk whose faults are on demand.
class UploadFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    Database::Options options;
    options.path = dir_.File("db");
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    store_options_.dir = dir_.File("blobs");
    store_options_.reserve_bytes = 0;
    Restart();
  }

  // As a daemon that starts again.
  void Restart() {
    store_.reset();
    auto store = UploadStore::Open(store_options_, *database_, fs_, clock_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  static std::string Bytes(size_t size, uint32_t seed = 1) {
    std::string bytes(size, 0);
    for (char& c : bytes) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
    return bytes;
  }
  static absl::Status Add(Upload& upload, int64_t offset, absl::string_view data) {
    return upload.Add(offset, data, Crc32c(data));
  }
  // One stream that sends `bytes` from `from` on, in chunks, and breaks at `until`.
  absl::Status Send(const std::string& bytes, int64_t from, int64_t until, int64_t chunk = 1000,
                    const std::string& owner = "ada") {
    auto upload = store_->Begin(Sha256Hex(bytes), bytes.size(), owner);
    if (!upload.ok() || *upload == nullptr) return upload.status();
    if (absl::Status status = (*upload)->PublishIfComplete(); !status.ok()) return status;
    for (int64_t at = from; at < until; at += chunk) {
      const absl::string_view data =
          absl::string_view(bytes).substr(at, std::min(chunk, until - at));
      if (absl::Status status = Add(**upload, at, data); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::Status SendAll(const std::string& bytes, const std::string& owner = "ada") {
    return Send(bytes, 0, bytes.size(), 1 << 20, owner);
  }
  int64_t Committed(const std::string& bytes, const std::string& owner = "ada") {
    const auto blob = store_->Stat(Sha256Hex(bytes), owner);
    return blob.ok() ? blob->committed_bytes() : -1;
  }
  // What a reader gets.
  absl::StatusOr<std::string> Fetch(const std::string& bytes, const std::string& owner = "ada") {
    auto located = store_->Find(Sha256Hex(bytes), owner);
    if (!located.ok()) return located.status();
    auto reader = BlobReader::Open(*std::move(located), 0, store_->verified());
    if (!reader.ok()) return reader.status();
    return ReadAll(**reader, 0);
  }
  std::vector<UploadStore::Garbage> Garbage(absl::Duration age,
                                            const absl::flat_hash_set<std::string>& in_use) {
    auto garbage = store_->FindGarbage(age, in_use);
    EXPECT_TRUE(garbage.ok()) << garbage.status();
    return garbage.ok() ? *std::move(garbage) : std::vector<UploadStore::Garbage>();
  }
  std::string PathOf(const std::string& bytes) {
    const std::string sha256 = Sha256Hex(bytes);
    return store_options_.dir + "/" + sha256.substr(0, 2) + "/" + sha256;
  }
  size_t PartCount() { return fs_.ListDir(store_options_.dir + "/parts")->size(); }

  TempDir dir_;
  FakeClock clock_{absl::Now()};
  FaultInjectingFileSystem fs_;
  std::unique_ptr<Database> database_;
  UploadStore::Options store_options_;
  std::unique_ptr<UploadStore> store_;
};

}  // namespace skytrain
