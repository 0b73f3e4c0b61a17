// mode: site, as root, with two real users: whose jobs run as whom, and who gets at what.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "common/status_macros.h"
#include "gmock/gmock.h"
#include "tests/integration/site_world.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace skytrain {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

class SiteModeTest : public SiteWorld {
 protected:
  static std::vector<std::string> EnvironmentOf(int pid) {
    const auto text =
        FileSystem::Posix().ReadFile(absl::StrCat("/proc/", pid, "/environ"), 1 << 20);
    return absl::StrSplit(text.value_or(""), '\0', absl::SkipEmpty());
  }
  // Everything of `account` and nothing else.
  static void ExpectRunsAs(int pid, const Account& account) {
    ASSERT_GT(pid, 0);
    const std::string uid = absl::StrCat(account.ids.uid), gid = absl::StrCat(account.ids.gid);
    EXPECT_THAT(StatusOf(pid, "Uid"), ElementsAre(uid, uid, uid, uid));
    EXPECT_THAT(StatusOf(pid, "Gid"), ElementsAre(gid, gid, gid, gid));
    std::vector<std::string> groups;
    for (const gid_t group : account.ids.groups) groups.push_back(absl::StrCat(group));
    EXPECT_THAT(StatusOf(pid, "Groups"), UnorderedElementsAreArray(groups));
    EXPECT_THAT(StatusOf(pid, "NoNewPrivs"), ElementsAre("1"));
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
      EXPECT_THAT(StatusOf(pid, set), ElementsAre("0000000000000000")) << set;
    }
  }
  static absl::Status Register(User& user, const std::string& name, const std::string& path) {
    v1::RegisterDatasetRequest request;
    request.mutable_dataset()->set_name("datasets/" + name);
    request.mutable_dataset()->set_target("Species");
    request.mutable_dataset()->mutable_data()->set_dataset(path);
    grpc::ClientContext context;
    v1::Dataset dataset;
    return FromGrpcStatus(user.datasets->RegisterDataset(&context, request, &dataset));
  }
  absl::StatusOr<std::string> ReadBlob(User& user, const std::string& name) {
    v1::ReadBlobRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    const auto reader = user.blobs->ReadBlob(&context, request);
    std::string bytes;
    v1::ReadBlobResponse chunk;
    while (reader->Read(&chunk)) bytes += chunk.data();
    RETURN_IF_ERROR(FromGrpcStatus(reader->Finish()));
    return bytes;
  }
  absl::Status Upload(User& user, const std::string& bytes) {
    grpc::ClientContext context;
    v1::Blob blob;
    const auto writer = user.blobs->WriteBlob(&context, &blob);
    v1::WriteBlobRequest message;
    message.set_name("blobs/" + Sha256Hex(bytes));
    message.set_size_bytes(static_cast<int64_t>(bytes.size()));
    message.set_data(bytes);
    message.set_crc32c(Crc32c(bytes));
    writer->Write(message);
    writer->WritesDone();
    return FromGrpcStatus(writer->Finish());
  }
  absl::StatusOr<v1::Job> Evaluate(User& user, const std::string& model) {
    v1::CreateJobRequest request;
    v1::Evaluation& evaluation = *request.mutable_job()->mutable_evaluation();
    evaluation.set_model(model);
    evaluation.mutable_data()->set_dataset(iris_);
    evaluation.mutable_resources()->set_cpus(1);
    grpc::ClientContext context;
    v1::CreateJobResponse response;
    RETURN_IF_ERROR(FromGrpcStatus(user.jobs->stub().CreateJob(&context, request, &response)));
    return response.job();
  }
};

TEST_F(SiteModeTest, RunIsItsOwnersAndHasNothingOfRoots) {
  setenv("SKYTRAIN_TOKEN", "root's secret", 1);
  setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
  ASSERT_NO_FATAL_FAILURE(Start());
  unsetenv("SKYTRAIN_TOKEN");
  unsetenv("NOTIFY_SOCKET");
  for (User* user : {&ana_, &ben_}) {
    const v1::Job job = StartHanging(*user);
    EXPECT_EQ(job.owner(), user->account.name);
    for (const char* binary : {"skytrain-shepherd", "skytrain-fake-worker"}) {
      const int pid = daemon_->PidOf(binary);
      ExpectRunsAs(pid, user->account);
      const auto environment = EnvironmentOf(pid);
      EXPECT_THAT(environment, Contains("HOME=" + user->account.home));
      EXPECT_THAT(environment, Contains("USER=" + user->account.name));
      EXPECT_THAT(environment, Each(Not(HasSubstr("secret"))));
      EXPECT_THAT(environment, Each(Not(HasSubstr("NOTIFY_SOCKET"))));
    }
    // Where a control group can be had, the ranks are in the part that may be killed as one.
    const auto cgroup = FileSystem::Posix().ReadFile(
        absl::StrCat("/proc/", daemon_->PidOf("skytrain-fake-worker"), "/cgroup"), 1 << 16);
    if (cgroup->find("/skytrain-") != std::string::npos) {
      EXPECT_THAT(*cgroup, HasSubstr("/ranks"));
    }

    const std::string folder = Attempt(job).path();
    EXPECT_EQ(std::filesystem::status(folder).permissions(), std::filesystem::perms::owner_all);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      struct stat info;
      if (lstat(entry.path().c_str(), &info) != 0) continue;  // A checkpoint gets its name.
      EXPECT_EQ(info.st_uid, user->uid()) << entry.path();
    }
    ASSERT_TRUE(user->jobs->Cancel(job.name()).ok());
    EXPECT_EQ(Finish(*user, job).state(), v1::CANCELLED);
  }
}

TEST_F(SiteModeTest, OthersReachNeitherJobNorModelNorFile) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto job = Create(ana_, {});
  ASSERT_TRUE(job.ok()) << job.status();
  ASSERT_EQ(Finish(ana_, *job).state(), v1::SUCCEEDED) << daemon_->Log();
  const std::string model = "models/" + job->name().substr(5) + "/versions/1";
  ASSERT_TRUE(GetModel(ana_, model).ok());
  const auto card = ReadBlob(ana_, model + "/files/model.json");
  ASSERT_TRUE(card.ok()) << card.status();
  EXPECT_THAT(*card, HasSubstr("skytrain-model-1"));
  EXPECT_FALSE(ana_.jobs->Events(job->name())->empty());

  EXPECT_EQ(ReasonOf(ben_.jobs->Get(job->name()).status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(ben_.jobs->Cancel(job->name()).status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(ben_.jobs->Events(job->name()).status()), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(GetModel(ben_, model).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(ReadBlob(ben_, model + "/files/model.json").status()), "BLOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Evaluate(ben_, model).status()), "MODEL_NOT_FOUND");

  const auto evaluation = Evaluate(ana_, model);
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(Finish(ana_, *evaluation).state(), v1::SUCCEEDED) << daemon_->Log();
  const std::string copy = Attempt(*evaluation).path() + "/model-copy/model.json";
  As(ana_, [&] { EXPECT_EQ(*FileSystem::Posix().ReadFile(copy, 1 << 20), *card); });
  As(ben_, [&] {
    const std::string work = daemon_->WorkDir();
    for (const std::string& file :
         {copy, Attempt(*job).path() + "/exit.binpb", daemon_->root() + "/state/skytrain.db"}) {
      EXPECT_FALSE(FileSystem::Posix().ReadFile(file, 1 << 30).ok()) << file;
    }
    for (const std::string& folder :
         {std::string(), std::string("/attempts"), std::string("/models"), std::string("/blobs"),
          std::string("/cache"), absl::StrCat("/cache/", ana_.uid()), std::string("/inputs"),
          std::string("/probe"), "/attempts/" + job->uid() + "-1"}) {
      EXPECT_TRUE(std::filesystem::exists(work + folder)) << folder;
      EXPECT_FALSE(FileSystem::Posix().ListDir(work + folder).ok()) << folder;
    }
  });
}

TEST_F(SiteModeTest, DataIsReadWithItsReadersRights) {
  ASSERT_NO_FATAL_FAILURE(Start({"--jobs-visible-to", "all"}));
  const std::string bytes = *FileSystem::Posix().ReadFile(iris_, 1 << 20);
  const std::string mine = WriteFile("data/ana.csv", bytes, ana_.uid(), 0600);
  EXPECT_TRUE(Inspect(ana_, mine).ok());
  // Also once the daemon remembers what is in it.
  EXPECT_EQ(ReasonOf(Inspect(ben_, mine).status()), "DATA_UNREADABLE");
  EXPECT_EQ(ReasonOf(Create(ben_, {}, mine).status()), "DATA_UNREADABLE");
  const auto job = Create(ana_, {{"read_data", "1"}}, mine);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(Finish(ana_, *job).state(), v1::SUCCEEDED);

  // A name that all may use opens it for nobody else.
  const absl::Status registered = Register(ana_, "anas", mine);
  ASSERT_TRUE(registered.ok()) << registered;
  EXPECT_TRUE(Inspect(ana_, "anas").ok());
  EXPECT_EQ(ReasonOf(Inspect(ben_, "anas").status()), "DATA_UNREADABLE");
  EXPECT_EQ(ReasonOf(Create(ben_, {}, "anas").status()), "DATA_UNREADABLE");
  EXPECT_EQ(ReasonOf(Register(ben_, "bens", mine)), "DATA_UNREADABLE");

  // In a folder of hers nobody learns what there is.
  std::filesystem::create_directory(Path("data/ana"));
  WriteFile("data/ana/galaxies.csv", bytes, ana_.uid(), 0644);
  ASSERT_EQ(chown(Path("data/ana").c_str(), ana_.uid(), ana_.uid()), 0);
  ASSERT_EQ(chmod(Path("data/ana").c_str(), 0700), 0);
  EXPECT_TRUE(Inspect(ana_, Path("data/ana/galaxies.csv")).ok());
  for (const char* name : {"data/ana/galaxies.csv", "data/ana/absent.csv"}) {
    EXPECT_EQ(ReasonOf(Inspect(ben_, Path(name)).status()), "DATA_UNREADABLE") << name;
  }

  // Readable when it was accepted, not any more when it runs.
  const std::string shared = WriteFile("data/shared.csv", bytes, ana_.uid(), 0644);
  std::vector<v1::Job> before;
  for (int i = 0; i < 4; ++i) before.push_back(StartHanging(ana_));  // No core is left.
  const auto late = Create(ben_, {{"read_data", "1"}}, shared);
  ASSERT_TRUE(late.ok()) << late.status();
  ASSERT_EQ(chmod(shared.c_str(), 0600), 0);
  for (const v1::Job& hanging : before) ASSERT_TRUE(ana_.jobs->Cancel(hanging.name()).ok());
  const v1::Job failed = Finish(ben_, *late);
  EXPECT_EQ(failed.state(), v1::FAILED);
  EXPECT_EQ(failed.attempts(0).end(), v1::INVALID_DATA) << failed.DebugString();
}

TEST_F(SiteModeTest, UploadIsTheOwnersAndADigestOpensNothing) {
  // Outside every data root, as uploads always are.
  ASSERT_NO_FATAL_FAILURE(Start({"--data-root", "/usr/share"}));
  const std::string bytes =
      *FileSystem::Posix().ReadFile(SKYTRAIN_SOURCE_DIR "/tests/data/iris.csv", 1 << 20);
  const absl::Status uploaded = Upload(ana_, bytes);
  ASSERT_TRUE(uploaded.ok()) << uploaded;
  const std::string sha256 = Sha256Hex(bytes), name = "blobs/" + sha256;
  EXPECT_TRUE(Inspect(ana_, name).ok()) << Inspect(ana_, name).status() << daemon_->Log();
  const auto job = Create(ana_, {{"read_data", "1"}}, name);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(Finish(ana_, *job).state(), v1::SUCCEEDED) << daemon_->Log();
  EXPECT_EQ(ReasonOf(Inspect(ben_, name).status()), "BLOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Create(ben_, {}, name).status()), "BLOB_NOT_FOUND");
  const std::string work = daemon_->WorkDir();
  for (const std::string& path : {absl::StrCat(work, "/blobs/", sha256.substr(0, 2), "/", sha256),
                                  absl::StrCat(work, "/inputs/", ana_.uid(), "/", sha256)}) {
    EXPECT_TRUE(FileSystem::Posix().ReadFile(path, 1 << 20).ok()) << path;
    As(ben_, [&] { EXPECT_FALSE(FileSystem::Posix().ReadFile(path, 1 << 20).ok()) << path; });
  }
  As(ana_, [&] {
    const std::string path = absl::StrCat(work, "/inputs/", ana_.uid(), "/", sha256);
    EXPECT_TRUE(FileSystem::Posix().ReadFile(path, 1 << 20).ok());
    EXPECT_FALSE(FileSystem::Posix().Truncate(path, 0).ok());
  });
}

TEST_F(SiteModeTest, RootAdministersAndRunsNothing) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto refused = root_->Create({});
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status()));
  EXPECT_EQ(ReasonOf(refused.status()), "ROOT_RUNS_NO_JOBS");
  JobClient stranger(ConnectAs(61'001));
  EXPECT_EQ(ReasonOf(stranger.Create({}).status()), "NO_ACCOUNT");
  const v1::Job job = StartHanging(ana_);
  EXPECT_TRUE(root_->Get(job.name()).ok());
  EXPECT_TRUE(root_->Cancel(job.name()).ok());
  EXPECT_EQ(Finish(ana_, job).state(), v1::CANCELLED);

  v1::GetServerInfoRequest request;
  v1::ServerInfo info;
  grpc::ClientContext context;
  ASSERT_TRUE(ben_.node->GetServerInfo(&context, request, &info).ok());
  EXPECT_EQ(info.mode(), "site");
}

TEST_F(SiteModeTest, NextDaemonTakesRunsUpAndTheyCanBeSuspendedAndResumed) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const v1::Job job = StartHanging(ana_);
  const int worker = daemon_->PidOf("skytrain-fake-worker");
  daemon_->Kill();
  ASSERT_TRUE(daemon_->Start().ok());
  Reconnect();
  EXPECT_EQ(daemon_->PidOf("skytrain-fake-worker"), worker);
  v1::SuspendJobRequest suspend;
  suspend.set_name(job.name());
  v1::Job answer;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(ana_.jobs->stub().SuspendJob(&context, suspend, &answer).ok());
  }
  ASSERT_TRUE(Eventually([&] { return ana_.jobs->Get(job.name())->state() == v1::SUSPENDED; }))
      << daemon_->Log();
  v1::ResumeJobRequest resume;
  resume.set_name(job.name());
  {
    grpc::ClientContext context;
    ASSERT_TRUE(ana_.jobs->stub().ResumeJob(&context, resume, &answer).ok());
  }
  ASSERT_TRUE(Eventually([&] {
    const auto now = ana_.jobs->Get(job.name());
    return now.ok() && now->state() == v1::RUNNING && now->attempts_size() == 2;
  })) << daemon_->Log();
  ASSERT_TRUE(Eventually([&] { return daemon_->PidOf("skytrain-fake-worker") > 0; }));
  ExpectRunsAs(daemon_->PidOf("skytrain-fake-worker"), ana_.account);
  // It goes on where it was, from the checkpoint that only she can read.
  EXPECT_THAT(Attempt(job, 2).ReadSpec()->resume_from(), HasSubstr("/checkpoints/step-"));
  ASSERT_TRUE(ana_.jobs->Cancel(job.name()).ok());
  EXPECT_EQ(Finish(ana_, job).state(), v1::CANCELLED);
  EXPECT_EQ(daemon_->Stop(), 0);
}

}  // namespace
}  // namespace skytrain
