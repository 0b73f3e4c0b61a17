// mode: site: what a user puts into her own attempt's folder, in place of what shepherd and worker
// write there, neither shows her anything, nor makes the daemon touch or wait for anything.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/attempt/exit_record.h"
#include "common/file/file_system.h"
#include "common/process/process.h"
#include "tests/integration/site_world.h"

namespace skytrain {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecret[] = "what only root may read";

class SiteAttackTest : public SiteWorld {
 protected:
  void SetUp() override {
    SiteWorld::SetUp();
    if (IsSkipped()) return;
    ASSERT_NO_FATAL_FAILURE(Start());
    secret_ = WriteFile("secret", kSecret, 0, 0600);
    fs::create_directory(Path("victim"));
    fs::create_directory(Path("victim/step-9"));
    WriteFile("victim/step-9/model.safetensors", kSecret, 0, 0644);
    ASSERT_EQ(chmod(Path("victim").c_str(), 0777), 0);
    ASSERT_EQ(chmod(Path("victim/step-9").c_str(), 0777), 0);
  }

  // A run whose processes are gone, and whose folder its owner may do with as she likes.
  v1::Job StopsShort() {
    v1::Job job = StartHanging(ana_);
    folder_ = Attempt(job).path();
    // Kept from its retry, so that the folder stays the newest.
    kill(daemon_->PidOf("skytrain-shepherd"), SIGSTOP);
    kill(daemon_->PidOf("skytrain-fake-worker"), SIGKILL);
    return job;
  }
  void KillShepherd() { kill(daemon_->PidOf("skytrain-shepherd"), SIGKILL); }

  // An exit record as the shepherd would write it.
  void ForgeExit(v1::AttemptEnd end, const std::string& spool = "rank-0.spool") {
    internal::v1::ExitRecord record;
    record.set_end(end);
    record.set_failed_rank(-1);
    record.add_spools()->set_file(spool);
    As(ana_, [&] {
      ASSERT_TRUE(WriteExitRecord(FileSystem::Posix(), folder_ + "/exit.binpb", record).ok());
    });
  }
  // In place of what is there.
  void Plant(const std::string& name, const std::function<int(const char* path)>& make) {
    As(ana_, [&] {
      const std::string path = folder_ + "/" + name;
      fs::remove_all(path);
      ASSERT_EQ(make(path.c_str()), 0) << name << ": " << strerror(errno);
    });
  }
  static int Fifo(const char* path) { return mkfifo(path, 0666); }
  static int Folder(const char* path) { return mkdir(path, 0777); }
  static int Hole(const char* path) {
    const auto file = FileSystem::Posix().CreateExclusive(path);
    return file.ok() ? truncate(path, off_t{1} << 40) : -1;
  }
  std::function<int(const char*)> LinkTo(const std::string& target) {
    return [target](const char* path) { return symlink(target.c_str(), path); };
  }

  // The daemon serves others as if nothing had happened, and has shown nobody the secret.
  void ExpectUnharmed() {
    const auto job = Create(ben_, {});
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(Finish(ben_, *job).state(), v1::SUCCEEDED) << daemon_->Log();
    EXPECT_THAT(daemon_->Log(), Not(HasSubstr(kSecret)));
    EXPECT_EQ(*FileSystem::Posix().ReadFile(secret_, 100), kSecret);
    EXPECT_EQ(*FileSystem::Posix().ReadFile(Path("victim/step-9/model.safetensors"), 100), kSecret);
  }

  std::string folder_, secret_;
};

TEST_F(SiteAttackTest, ExitRecordMayBeAnything) {
  const std::vector<std::pair<const char*, std::function<int(const char*)>>> kinds = {
      {"a FIFO", Fifo},
      {"a folder", Folder},
      {"a terabyte", Hole},
      {"a link to a secret", LinkTo(secret_)},
      {"a link to a device", LinkTo("/dev/zero")}};
  for (const auto& [what, make] : kinds) {
    SCOPED_TRACE(what);
    const v1::Job job = StopsShort();
    ASSERT_NO_FATAL_FAILURE(Plant("exit.binpb", make));
    KillShepherd();
    EXPECT_TRUE(Eventually([&] {
      return ana_.jobs->Get(job.name())->attempts(0).end() == v1::SHEPHERD_LOST;
    })) << daemon_->Log();
    ASSERT_TRUE(ana_.jobs->Cancel(job.name()).ok());
    EXPECT_EQ(Finish(ana_, job).state(), v1::CANCELLED);
  }
  ExpectUnharmed();
}

TEST_F(SiteAttackTest, SpoolsMayBeAnything) {
  const v1::Job job = StopsShort();
  daemon_->Kill();  // The next one opens them anew.
  ASSERT_NO_FATAL_FAILURE(Plant("rank-0.spool", Hole));
  ASSERT_NO_FATAL_FAILURE(Plant("rank-1.spool", Fifo));
  ASSERT_NO_FATAL_FAILURE(Plant("rank-2.spool", LinkTo(secret_)));
  ASSERT_NO_FATAL_FAILURE(Plant("rank-3.spool", Folder));
  ASSERT_NO_FATAL_FAILURE(Plant("control.binpb.tmp", LinkTo(secret_)));
  ASSERT_NO_FATAL_FAILURE(Plant("claim", Fifo));
  for (int i = 0; i < 300; ++i) {
    ASSERT_NO_FATAL_FAILURE(Plant(absl::StrCat("rank-", 1000 + i, ".spool"), Hole));
  }
  KillShepherd();
  ForgeExit(v1::STOPPED, "../../../../secret");
  ASSERT_TRUE(daemon_->Start().ok());
  Reconnect();
  EXPECT_EQ(Finish(ana_, job).state(), v1::CANCELLED) << daemon_->Log();
  ExpectUnharmed();
}

TEST_F(SiteAttackTest, ModelThatLeadsElsewhereIsNotPublished) {
  const std::vector<std::pair<const char*, std::function<int(const char*)>>> kinds = {
      {"a link to a secret", LinkTo(secret_)}, {"a FIFO", Fifo}, {"a terabyte", Hole}};
  for (const auto& [what, make] : kinds) {
    SCOPED_TRACE(what);
    const v1::Job job = StopsShort();
    ASSERT_NO_FATAL_FAILURE(Plant("model", Folder));
    ASSERT_NO_FATAL_FAILURE(Plant("model/model.safetensors", make));
    ASSERT_NO_FATAL_FAILURE(Plant("model/model.json", LinkTo(secret_)));
    ForgeExit(v1::COMPLETED);
    KillShepherd();
    const v1::Job failed = Finish(ana_, job);
    EXPECT_EQ(failed.state(), v1::FAILED) << failed.DebugString();
    EXPECT_THAT(failed.DebugString(), Not(HasSubstr(kSecret)));
    const std::string model = "models/" + job.name().substr(5);
    EXPECT_FALSE(GetModel(ana_, model).ok());
  }
  // The whole folder, to where there is what looks like one.
  WriteFile("victim/model.safetensors", kSecret, 0, 0600);
  WriteFile("victim/model.json", "{}", 0, 0600);
  const v1::Job job = StopsShort();
  ASSERT_NO_FATAL_FAILURE(Plant("model", LinkTo(Path("victim"))));
  ForgeExit(v1::COMPLETED);
  KillShepherd();
  EXPECT_EQ(Finish(ana_, job).state(), v1::FAILED);
  for (const auto& entry : fs::recursive_directory_iterator(daemon_->WorkDir() + "/models")) {
    if (!entry.is_regular_file()) continue;
    const auto bytes = FileSystem::Posix().ReadFile(entry.path().string(), 1 << 20);
    EXPECT_THAT(bytes.value_or(""), Not(HasSubstr(kSecret))) << entry.path();
  }
  ExpectUnharmed();
}

TEST_F(SiteAttackTest, CheckpointsThatAreNoneAreSkipped) {
  const v1::Job job = StopsShort();
  As(ana_, [&] {
    fs::create_directories(folder_ + "/checkpoints/step-900000");
    fs::create_directories(folder_ + "/checkpoints/step-900001");
  });
  ASSERT_NO_FATAL_FAILURE(Plant("checkpoints/step-900000/state.json", Fifo));
  // Values so deep that walking through them would overflow the stack.
  As(ana_, [&] {
    const std::string deep(4 << 20, '[');
    ASSERT_TRUE(WriteFileAtomically(
                    FileSystem::Posix(), folder_ + "/checkpoints/step-900001/state.json",
                    "{\"sha256\":\"0\",\"state\":" + deep + std::string(deep.size(), ']') + "}")
                    .ok());
  });
  ASSERT_NO_FATAL_FAILURE(Plant("checkpoints/step-900002", LinkTo(Path("victim/step-9"))));
  KillShepherd();
  ASSERT_TRUE(Eventually([&] {
    return ana_.jobs->Get(job.name())->attempts_size() == 2 && Attempt(job, 2).ReadSpec().ok();
  })) << daemon_->Log();
  EXPECT_THAT(Attempt(job, 2).ReadSpec()->resume_from(), Not(HasSubstr("/step-90000")));
  ASSERT_TRUE(ana_.jobs->Cancel(job.name()).ok());
  EXPECT_EQ(Finish(ana_, job).state(), v1::CANCELLED);
  ExpectUnharmed();
}

TEST_F(SiteAttackTest, ForgedClaimSignalsNobodyAndHoldsNoDevice) {
  // Root's, and it dies of SIGUSR1.
  SpawnOptions sleep;
  sleep.argv = {"/bin/sleep", "600"};
  const auto pid = Spawn(sleep);
  ASSERT_TRUE(pid.ok()) << pid.status();
  const v1::Job job = StopsShort();
  internal::v1::Claim claim;
  *claim.mutable_shepherd() = *Identify(*pid);
  As(ana_, [&] {
    fs::remove(folder_ + "/claim");
    ASSERT_TRUE(AttemptDir(FileSystem::Posix(), folder_).TryClaim(claim).ok());
  });
  // A daemon that reads the claim anew.
  daemon_->Kill();
  KillShepherd();
  ASSERT_TRUE(daemon_->Start().ok());
  Reconnect();
  ASSERT_TRUE(ana_.jobs->Cancel(job.name()).ok());
  EXPECT_EQ(Finish(ana_, job).state(), v1::CANCELLED) << daemon_->Log();
  EXPECT_EQ(waitpid(*pid, nullptr, WNOHANG), 0) << "it was signalled";
  kill(*pid, SIGKILL);
  waitpid(*pid, nullptr, 0);
  ExpectUnharmed();
}

TEST_F(SiteAttackTest, CollectingAndDeletingRemoveNothingElsewhere) {
  const v1::Job job = StopsShort();
  KillShepherd();
  ASSERT_TRUE(ana_.jobs->Cancel(job.name()).ok());
  ASSERT_EQ(Finish(ana_, job).state(), v1::CANCELLED);
  // The victim's folders may be written by everybody, as a shared one is, so only its own names
  // stand between it and who follows a link.
  ASSERT_NO_FATAL_FAILURE(Plant("checkpoints", LinkTo(Path("victim"))));
  ASSERT_NO_FATAL_FAILURE(Plant("more", LinkTo(Path("victim"))));
  ASSERT_NO_FATAL_FAILURE(Plant("rank-0.spool", LinkTo(Path("victim/step-9/model.safetensors"))));
  v1::CollectGarbageResponse collected;
  grpc::ClientContext context;
  const auto node = v1::NodeService::NewStub(ConnectAs(0));
  const grpc::Status status = node->CollectGarbage(&context, {}, &collected);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ExpectUnharmed();

  v1::DeleteJobRequest request;
  request.set_name(job.name());
  grpc::ClientContext another;
  google::protobuf::Empty empty;
  const grpc::Status deleted = ana_.jobs->stub().DeleteJob(&another, request, &empty);
  ASSERT_TRUE(deleted.ok()) << deleted.error_message();
  EXPECT_FALSE(fs::exists(folder_));
  ExpectUnharmed();
}

}  // namespace
}  // namespace skytrain
