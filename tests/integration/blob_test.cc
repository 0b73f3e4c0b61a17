// Uploads through a real daemon: over killed clients, killed daemons and broken streams.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/api/download.h"
#include "client/api/upload.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "common/ids.h"
#include "grpcpp/client_context.h"
#include "skytrain/v1/blob_service.grpc.pb.h"
#include "tests/integration/daemon.h"
#include "tests/integration/tls_world.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

constexpr int64_t kChunk = 512 << 10;

std::string Bytes(size_t size, uint32_t seed = 1) {
  std::string bytes(size, 0);
  for (char& c : bytes) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

// One stream, as a test wants it.
class Stream {
 public:
  Stream(v1::BlobService::Stub& stub, const std::string& bytes) : bytes_(bytes) {
    writer_ = stub.WriteBlob(&context_, &blob_);
    message_.set_name(BlobName(Sha256Hex(bytes)));
    message_.set_size_bytes(bytes.size());
  }
  bool Send(int64_t from, int64_t to) {
    for (int64_t at = from; at < to; at += kChunk) {
      message_.set_offset(at);
      message_.set_data(bytes_.substr(at, std::min(kChunk, to - at)));
      message_.set_crc32c(Crc32c(message_.data()));
      if (!writer_->Write(message_)) return false;
    }
    return true;
  }
  absl::Status Finish() {
    writer_->WritesDone();
    return FromGrpcStatus(writer_->Finish());
  }
  void Break() {
    context_.TryCancel();
    writer_->Finish();
  }
  const v1::Blob& blob() const { return blob_; }

 private:
  const std::string& bytes_;
  grpc::ClientContext context_;
  v1::Blob blob_;
  v1::WriteBlobRequest message_;
  std::unique_ptr<grpc::ClientWriter<v1::WriteBlobRequest>> writer_;
};

class BlobTest : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> flags = {}) {
    daemon_ = std::make_unique<Daemon>(std::move(flags));
    Restart();
  }
  void Restart() {
    const absl::Status status = daemon_->Start();
    ASSERT_TRUE(status.ok()) << status;
    channel_ = daemon_->Connect();
    stub_ = v1::BlobService::NewStub(channel_);
  }
  absl::StatusOr<v1::Blob> Stat(const std::string& bytes) {
    grpc::ClientContext context;
    v1::StatBlobRequest request;
    request.set_name(BlobName(Sha256Hex(bytes)));
    v1::Blob blob;
    const grpc::Status status = stub_->StatBlob(&context, request, &blob);
    if (!status.ok()) return FromGrpcStatus(status);
    return blob;
  }
  int64_t Committed(const std::string& bytes) {
    const auto blob = Stat(bytes);
    return blob.ok() ? blob->committed_bytes() : -1;
  }
  // Until the server has noticed that a stream broke.
  bool CommittedBecomes(const std::string& bytes, int64_t at_least) {
    for (int i = 0; i < 1000; ++i) {
      if (Committed(bytes) >= at_least) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }
  absl::StatusOr<v1::Blob> UploadFile(const std::string& path) {
    client::Client client(client::Target::Unix(daemon_->SocketPath()), interrupt_);
    client::UploadOptions options;
    options.path = path;
    options.backoff = client::Backoff(absl::Milliseconds(50), absl::Milliseconds(200), 1);
    return client::Upload(client, std::move(options));
  }
  absl::Status DownloadFile(const v1::Blob& blob, const std::string& path) {
    client::Client client(client::Target::Unix(daemon_->SocketPath()), interrupt_);
    client::DownloadOptions options;
    options.blob = blob.name();
    options.path = path;
    options.size = blob.size_bytes();
    options.sha256 = blob.sha256();
    return client::Download(client, std::move(options));
  }

  std::unique_ptr<Daemon> daemon_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::BlobService::Stub> stub_;
  client::Interrupt interrupt_;
  TempDir dir_;
};

TEST_F(BlobTest, FileGoesThereAndComesBack) {
  Start();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{3'000'000}}) {
    const std::string bytes = Bytes(size);
    WriteWhole(dir_.File("data"), bytes);
    const auto blob = UploadFile(dir_.File("data"));
    ASSERT_TRUE(blob.ok()) << blob.status();
    EXPECT_EQ(blob->name(), BlobName(Sha256Hex(bytes)));
    EXPECT_EQ(blob->committed_bytes(), static_cast<int64_t>(size));
    const absl::Status back = DownloadFile(*blob, dir_.File("back"));
    ASSERT_TRUE(back.ok()) << back;
    EXPECT_TRUE(ReadWhole(dir_.File("back")) == bytes);
  }
}

TEST_F(BlobTest, BrokenStreamGoesOnWhereItStopped) {
  Start();
  const std::string bytes = Bytes(4'000'000);
  const int64_t sent = 3 * kChunk;
  {
    Stream stream(*stub_, bytes);
    ASSERT_TRUE(stream.Send(0, sent));
    ASSERT_TRUE(CommittedBecomes(bytes, sent));
    stream.Break();
  }
  WriteWhole(dir_.File("data"), bytes);
  const auto blob = UploadFile(dir_.File("data"));
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(Committed(bytes), 4'000'000);
}

TEST_F(BlobTest, FileThatIsDamagedOnTheServerIsMendedBySendingItAgain) {
  Start();
  const std::string bytes = Bytes(1'500'000), sha256 = Sha256Hex(bytes);
  WriteWhole(dir_.File("data"), bytes);
  ASSERT_TRUE(UploadFile(dir_.File("data")).ok());
  const std::string stored = daemon_->WorkDir() + "/blobs/" + sha256.substr(0, 2) + "/" + sha256;
  chmod(stored.c_str(), 0644);
  WriteWhole(stored, Bytes(bytes.size(), 9));
  const auto blob = UploadFile(dir_.File("data"));
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_TRUE(ReadWhole(stored) == bytes);
}

TEST_F(BlobTest, AdminUploadsWhatSomebodyElseHasSentAndNobodyElseLearnsOfIt) {
  const TlsWorld world;
  Start(world.Flags());
  const auto as = [&](const char* owner) {
    return v1::BlobService::NewStub(
        TlsWorld::Connect(daemon_->TlsAddress(), world.Client(TlsWorld::Token(*daemon_, owner))));
  };
  const auto ana = as("ana"), ben = as("ben");
  const std::string bytes = Bytes(1'500'000);
  {
    Stream stream(*ana, bytes);
    ASSERT_TRUE(stream.Send(0, bytes.size()));
    ASSERT_TRUE(stream.Finish().ok());
  }
  WriteWhole(dir_.File("data"), bytes);
  const auto blob = UploadFile(dir_.File("data"));  // The daemon's own user is an admin.
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(blob->committed_bytes(), 1'500'000);
  {
    grpc::ClientContext context;
    v1::StatBlobRequest request;
    request.set_name(blob->name());
    v1::Blob found;
    EXPECT_EQ(ReasonOf(FromGrpcStatus(ben->StatBlob(&context, request, &found))), "BLOB_NOT_FOUND");
  }
  Stream first(*ben, bytes);
  ASSERT_TRUE(first.Send(0, kChunk));
  EXPECT_EQ(ReasonOf(first.Finish()), "BAD_CHUNK") << "ben has to send all of it";
  Stream second(*ben, bytes);
  ASSERT_TRUE(second.Send(0, bytes.size()));
  EXPECT_TRUE(second.Finish().ok());
}

TEST_F(BlobTest, WhatAKilledDaemonHadIsThereAfterItsRestart) {
  Start();
  const std::string bytes = Bytes(4'000'000);
  Stream stream(*stub_, bytes);
  ASSERT_TRUE(stream.Send(0, 2 * kChunk));
  ASSERT_TRUE(CommittedBecomes(bytes, 2 * kChunk));
  daemon_->Kill();
  EXPECT_FALSE(stream.Finish().ok());
  Restart();
  EXPECT_EQ(Committed(bytes), 2 * kChunk);
  Stream rest(*stub_, bytes);
  ASSERT_TRUE(rest.Send(2 * kChunk, bytes.size()));
  ASSERT_TRUE(rest.Finish().ok());
  daemon_->Kill();
  Restart();
  EXPECT_EQ(Committed(bytes), 4'000'000);
}

TEST_F(BlobTest, UploadOutlivesADaemonThatIsKilledMeanwhile) {
  Start();
  const std::string bytes = Bytes(60'000'000);
  WriteWhole(dir_.File("data"), bytes);
  absl::StatusOr<v1::Blob> blob = absl::UnknownError("not sent");
  std::thread sender([&] { blob = UploadFile(dir_.File("data")); });
  for (int kill = 0; kill < 3; ++kill) {
    CommittedBecomes(bytes, 15'000'000 * kill + 1);
    daemon_->Kill();
    Restart();
  }
  sender.join();
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_EQ(Committed(bytes), 60'000'000);
}

TEST_F(BlobTest, DrainEndsAStreamThatThenGoesOn) {
  Start();
  const std::string bytes = Bytes(20'000'000);
  Stream stream(*stub_, bytes);
  int64_t sent = 0;
  const auto send_on = [&] {
    sent += kChunk;
    return stream.Send(sent - kChunk, sent);
  };
  ASSERT_TRUE(send_on());
  ASSERT_TRUE(CommittedBecomes(bytes, kChunk));
  int exit_code = -1;
  std::thread stopper([&] { exit_code = daemon_->Stop(); });
  while (sent < 19'000'000 && send_on()) absl::SleepFor(absl::Milliseconds(20));
  const absl::Status status = stream.Finish();
  stopper.join();
  EXPECT_EQ(exit_code, 0);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  Restart();
  EXPECT_GE(Committed(bytes), kChunk);
}

TEST_F(BlobTest, ErrorsHaveTheirReasons) {
  Start({"--max-upload-bytes", "3000000", "--max-upload-bytes-per-owner", "4000000"});
  const std::string large = Bytes(3'000'001), first = Bytes(2'500'000, 2),
                    second = Bytes(2'000'000);
  const auto send = [&](const std::string& bytes) {
    Stream stream(*stub_, bytes);
    stream.Send(0, bytes.size());
    return stream.Finish();
  };
  EXPECT_EQ(ReasonOf(send(large)), "BLOB_TOO_LARGE");
  EXPECT_TRUE(send(first).ok());
  EXPECT_TRUE(send(first).ok()) << "again";
  EXPECT_EQ(ReasonOf(send(second)), "BLOB_QUOTA");
  EXPECT_EQ(ReasonOf(Stat(second).status()), "BLOB_NOT_FOUND");

  const std::string third = Bytes(1'000'000, 5);
  {
    Stream one(*stub_, third), two(*stub_, third);
    ASSERT_TRUE(one.Send(0, kChunk));
    ASSERT_TRUE(CommittedBecomes(third, kChunk));
    two.Send(0, kChunk);
    EXPECT_EQ(ReasonOf(two.Finish()), "UPLOAD_BUSY");
    ASSERT_TRUE(one.Send(kChunk, third.size()));
    EXPECT_TRUE(one.Finish().ok());
    EXPECT_EQ(one.blob().committed_bytes(), 1'000'000);
  }
  const std::string fourth = Bytes(100, 6);
  {
    Stream stream(*stub_, fourth);
    EXPECT_EQ(ReasonOf(stream.Finish()), "BAD_CHUNK") << "a stream without a message";
  }
  grpc::ClientContext context;
  v1::Blob blob;
  auto writer = stub_->WriteBlob(&context, &blob);
  v1::WriteBlobRequest message;
  message.set_name("blobs/../../etc/passwd");
  writer->Write(message);
  writer->WritesDone();
  EXPECT_EQ(ReasonOf(FromGrpcStatus(writer->Finish())), "BAD_NAME");
}

TEST_F(BlobTest, JobTrainsOnWhatWasSentWhateverTheDataRootsAre) {
  std::filesystem::create_directory(dir_.File("root"));
  Start({"--data-root", dir_.File("root")});
  const auto blob = UploadFile(SKYTRAIN_SOURCE_DIR "/tests/data/iris.csv");
  ASSERT_TRUE(blob.ok()) << blob.status();
  JobClient jobs(channel_);
  v1::CreateJobRequest request = IrisRequest({{"epochs", "1"}});
  request.mutable_job()->mutable_experiment()->mutable_data()->set_dataset(blob->name());
  grpc::ClientContext context;
  v1::CreateJobResponse response;
  const absl::Status created = FromGrpcStatus(jobs.stub().CreateJob(&context, request, &response));
  ASSERT_TRUE(created.ok()) << created;
  const auto over = jobs.Wait(response.job().name());
  ASSERT_TRUE(over.ok()) << over.status();
  EXPECT_EQ(over->state(), v1::SUCCEEDED);
  EXPECT_EQ(over->experiment().data().dataset(), blob->name());

  request.mutable_job()->mutable_experiment()->mutable_data()->set_dataset(
      BlobName(std::string(64, 'a')));
  grpc::ClientContext second;
  EXPECT_EQ(ReasonOf(FromGrpcStatus(jobs.stub().CreateJob(&second, request, &response))),
            "BLOB_NOT_FOUND");
}

// A disk that is hardly larger than the reserve.
TEST_F(BlobTest, FullDiskIsSaidAndTheRestGoesOnOnceThereIsSpace) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting a small disk needs root";
  const std::string disk = dir_.File("disk");
  std::filesystem::create_directory(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=300m") != 0) {
    GTEST_SKIP() << "this container may not mount";
  }
  Start({"--work-dir", disk});
  const std::string bytes = Bytes(60'000'000);
  WriteWhole(dir_.File("data"), bytes);
  EXPECT_EQ(ReasonOf(UploadFile(dir_.File("data")).status()), "STORE_FULL")
      << "the reserve for jobs would be used";
  const std::string small = Bytes(1'000'000);
  WriteWhole(dir_.File("small"), small);
  EXPECT_TRUE(UploadFile(dir_.File("small")).ok());
  EXPECT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=500m"), 0);
  EXPECT_TRUE(UploadFile(dir_.File("data")).ok());
  daemon_.reset();
  umount(disk.c_str());
}

}  // namespace
}  // namespace skytrain
