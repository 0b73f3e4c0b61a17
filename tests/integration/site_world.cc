#include "tests/integration/site_world.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/grpc/status.h"
#include "common/status_macros.h"
#include "grpcpp/create_channel_posix.h"

namespace skytrain {
namespace {

// A descriptor connected to the socket by a thread that is `uid` for the kernel.
int ConnectedAs(uid_t uid, const std::string& path) {
  int fd = -1;
  std::thread([&] {
    // The system call acts on this thread only, which ends with it.
    if (syscall(SYS_setresuid, -1, uid, -1) != 0) return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      close(fd);
      fd = -1;
    }
  }).join();
  return fd;
}

}  // namespace

void SiteWorld::SetUp() {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::pair<User*, const char*> users[] = {{&ana_, "daemon"}, {&ben_, "games"}};
  for (const auto& [user, name] : users) {
    auto account = FindAccount(name);
    if (!account.ok()) GTEST_SKIP() << account.status();
    user->account = *std::move(account);
  }
}

void SiteWorld::Start(std::vector<std::string> flags) {
  flags.insert(flags.end(), {"--mode", "site", "--cpus", "4", "--gpus", "0"});
  daemon_ = std::make_unique<Daemon>(std::move(flags));
  // Users must come as far as the socket, the worker and the data, and no build folder or checkout
  // has to let them.
  ASSERT_EQ(chmod(daemon_->root().c_str(), 0711), 0);
  std::filesystem::create_directory(Path("bin"));
  std::filesystem::create_directory(Path("data"));
  ASSERT_EQ(chmod(Path("bin").c_str(), 0755), 0);
  ASSERT_EQ(chmod(Path("data").c_str(), 0755), 0);
  std::filesystem::copy_file(SKYTRAIN_BIN_DIR "/skytrain-fake-worker",
                             Path("bin/skytrain-fake-worker"));
  ASSERT_EQ(chmod(Path("bin/skytrain-fake-worker").c_str(), 0755), 0);
  daemon_->set_worker(Path("bin/skytrain-fake-worker"));
  iris_ = Path("data/iris.csv");
  std::filesystem::copy_file(SKYTRAIN_SOURCE_DIR "/tests/data/iris.csv", iris_);
  ASSERT_EQ(chmod(iris_.c_str(), 0644), 0);
  const absl::Status started = daemon_->Start();
  ASSERT_TRUE(started.ok()) << started;
  Reconnect();
}

void SiteWorld::Reconnect() {
  for (User* user : {&ana_, &ben_}) {
    user->channel = ConnectAs(user->uid());
    user->jobs = std::make_unique<JobClient>(user->channel);
    user->models = v1::ModelService::NewStub(user->channel);
    user->datasets = v1::DatasetService::NewStub(user->channel);
    user->blobs = v1::BlobService::NewStub(user->channel);
    user->node = v1::NodeService::NewStub(user->channel);
  }
  root_ = std::make_unique<JobClient>(ConnectAs(0));
}

std::shared_ptr<grpc::Channel> SiteWorld::ConnectAs(uid_t uid) {
  const int fd = ConnectedAs(uid, daemon_->SocketPath());
  EXPECT_GE(fd, 0) << "uid " << uid << " cannot connect";
  return grpc::CreateInsecureChannelFromFd(absl::StrCat("uid-", uid), fd);
}

absl::StatusOr<v1::Job> SiteWorld::Create(User& user,
                                          const std::map<std::string, std::string>& labels,
                                          const std::string& dataset) {
  v1::CreateJobRequest request = IrisRequest(labels);
  request.mutable_job()->mutable_experiment()->mutable_data()->set_dataset(
      dataset.empty() ? iris_ : dataset);
  request.mutable_job()->mutable_experiment()->mutable_limits()->mutable_grace()->set_seconds(5);
  grpc::ClientContext context;
  v1::CreateJobResponse response;
  RETURN_IF_ERROR(FromGrpcStatus(user.jobs->stub().CreateJob(&context, request, &response)));
  return response.job();
}

v1::Job SiteWorld::Finish(User& user, const v1::Job& job) {
  auto done = user.jobs->Wait(job.name());
  EXPECT_TRUE(done.ok()) << done.status() << daemon_->Log();
  return done.value_or(v1::Job());
}

v1::Job SiteWorld::StartHanging(User& user) {
  auto job = Create(user, {{"epochs", "100000"}, {"steps", "1"}, {"step_ms", "50"}});
  EXPECT_TRUE(job.ok()) << job.status();
  if (!job.ok()) return v1::Job();
  EXPECT_TRUE(Eventually([&] {
    const auto now = user.jobs->Get(job->name());
    return now.ok() && now->state() == v1::RUNNING &&
           std::filesystem::exists(Attempt(*job).CheckpointsPath() + "/step-1");
  })) << daemon_->Log();
  return *job;
}

absl::StatusOr<v1::DatasetManifest> SiteWorld::Inspect(User& user, const std::string& dataset) {
  v1::InspectDatasetRequest request;
  request.mutable_data()->set_dataset(dataset);
  request.mutable_task()->mutable_classification()->set_target("Species");
  grpc::ClientContext context;
  v1::DatasetManifest manifest;
  RETURN_IF_ERROR(FromGrpcStatus(user.datasets->InspectDataset(&context, request, &manifest)));
  return manifest;
}

absl::StatusOr<v1::Model> SiteWorld::GetModel(User& user, const std::string& name) {
  v1::GetModelRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  v1::Model model;
  RETURN_IF_ERROR(FromGrpcStatus(user.models->GetModel(&context, request, &model)));
  return model;
}

bool SiteWorld::Eventually(const std::function<bool()>& body) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    if (body()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

AttemptDir SiteWorld::Attempt(const v1::Job& job, int number) const {
  return AttemptDir(FileSystem::Posix(),
                    absl::StrCat(daemon_->WorkDir(), "/attempts/", job.uid(), "-", number));
}

std::string SiteWorld::WriteFile(const std::string& name, const std::string& text, uid_t owner,
                                 mode_t mode) const {
  const std::string path = Path(name);
  EXPECT_TRUE(WriteFileAtomically(FileSystem::Posix(), path, text).ok());
  EXPECT_EQ(chown(path.c_str(), owner, owner), 0);
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
  return path;
}

void SiteWorld::As(const User& user, const std::function<void()>& body) {
  const ScopedFileIdentity identity(user.account.ids);
  ASSERT_TRUE(identity.status().ok()) << identity.status();
  body();
}

std::vector<std::string> SiteWorld::StatusOf(int pid, const std::string& key) {
  const auto text = FileSystem::Posix().ReadFile(absl::StrCat("/proc/", pid, "/status"), 1 << 16);
  if (!text.ok()) return {};
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (!absl::StartsWith(line, key + ":")) continue;
    return absl::StrSplit(line.substr(key.size() + 1), absl::ByAnyChar("\t "), absl::SkipEmpty());
  }
  return {};
}

}  // namespace skytrain
