#include "tests/support/fake_launcher.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/process/process.h"
#include "skytrain/internal/v1/record.pb.h"

namespace skytrain {
namespace {

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "fake run: %s\n", status.ToString().c_str());
  std::abort();
}

void WriteFile(FileSystem& fs, const std::string& path, absl::string_view content) {
  Require(WriteFileAtomically(fs, path, content));
}

// Keys in the order in which the reader's JSON library writes them: the digest is of its text.
std::string StateJson(absl::string_view digest, int64_t step) {
  const std::string state = absl::StrCat("{\"files\":{\"model.safetensors\":{\"sha256\":\"", digest,
                                         "\"}},\"step\":", step, "}");
  return absl::StrCat("{\"state\": ", state, ", \"sha256\": \"", Sha256Hex(state), "\"}");
}

}  // namespace

FakeRun::FakeRun(const AttemptDir& dir, const std::function<bool()>& stopped, FileSystem& fs)
    : fs_(fs), dir_(fs, dir.path()), stopped_(stopped) {}

FakeRun::~FakeRun() { DropLock(); }

bool FakeRun::ClaimWith(const internal::v1::ProcessId& process) {
  internal::v1::Claim claim;
  *claim.mutable_shepherd() = process;
  AttemptDir dir = dir_;
  const absl::Status claimed = dir.TryClaim(claim);
  if (absl::IsAlreadyExists(claimed)) return false;
  Require(claimed);
  return true;
}

bool FakeRun::Claim() {
  if (!ClaimWith(*Self())) return false;
  TakeLock();
  return true;
}

bool FakeRun::ClaimAsDead() {
  internal::v1::ProcessId process = *Self();
  process.set_start_time(process.start_time() + 1);
  return ClaimWith(process);
}

bool FakeRun::ClaimBeforeReboot() {
  internal::v1::ProcessId process = *Self();
  process.set_boot_id("an-earlier-boot");
  return ClaimWith(process);
}

void FakeRun::TakeLock() {
  AttemptDir dir = dir_;
  const auto fd = dir.TakeLock();
  Require(fd.status());
  lock_fd_ = *fd;
}

void FakeRun::DropLock() {
  if (lock_fd_ >= 0) close(std::exchange(lock_fd_, -1));
}

SpoolWriter& FakeRun::Spool() {
  if (spool_ == nullptr) {
    auto writer = SpoolWriter::Create(fs_, dir_.RankSpoolPath(0));
    Require(writer.status());
    spool_ = *std::move(writer);
  }
  return *spool_;
}

void FakeRun::StartRank(int64_t resumed_from_step) {
  internal::v1::Record record;
  record.mutable_rank_started()->set_resumed_from_step(resumed_from_step);
  Require(Spool().Append(FrameType::kRecord, record.SerializeAsString()));
}

void FakeRun::Emit(v1::Event event) {
  Require(Spool().Append(FrameType::kEvent, event.SerializeAsString()));
}

void FakeRun::Sync() { Require(Spool().Sync()); }

void FakeRun::Metric(absl::string_view name, int64_t step, double value) {
  v1::Event event;
  v1::MetricBatch& batch = *event.mutable_metrics();
  batch.add_names(std::string(name));
  batch.add_name(0);
  batch.add_step(step);
  batch.add_value(value);
  batch.add_epoch(1);
  Emit(std::move(event));
}

void FakeRun::Result(v1::AttemptEnd end, absl::string_view message) {
  internal::v1::Record record;
  record.mutable_rank_result()->set_end(end);
  record.mutable_rank_result()->set_message(std::string(message));
  Require(Spool().Append(FrameType::kRecord, record.SerializeAsString()));
}

void FakeRun::Checkpoint(int64_t step, bool whole) {
  const std::string path = absl::StrCat(dir_.CheckpointsPath(), "/step-", step);
  const std::string weights = absl::StrCat("weights of step ", step);
  Require(fs_.CreateDir(path + ".tmp"));
  WriteFile(fs_, path + ".tmp/model.safetensors", whole ? weights : weights.substr(1));
  WriteFile(fs_, path + ".tmp/state.json", StateJson(Sha256Hex(weights), step));
  Require(fs_.Rename(path + ".tmp", path));
  Require(fs_.SyncDir(dir_.CheckpointsPath()));
}

void FakeRun::Model() {
  Require(fs_.CreateDir(dir_.ModelPath()));
  WriteFile(fs_, dir_.ModelPath() + "/model.safetensors", "weights");
  WriteFile(fs_, dir_.ModelPath() + "/model.json",
            absl::StrCat(R"({"format": "skytrain-model-1", "family": "mlp", "sha256": ")",
                         Sha256Hex("weights"), "\"}"));
  Require(fs_.SyncDir(dir_.path()));
}

void FakeRun::Exit(v1::AttemptEnd end, absl::string_view message, int signal,
                   int64_t missing_bytes) {
  internal::v1::ExitRecord record;
  record.set_end(end);
  record.set_message(std::string(message));
  record.set_signal(signal);
  record.set_failed_rank(end == v1::COMPLETED || end == v1::STOPPED ? -1 : 0);
  const auto spools = dir_.Spools();
  Require(spools.status());
  for (const auto& [file, size] : *spools) {
    auto* spool = record.add_spools();
    spool->set_file(file);
    spool->set_bytes(static_cast<int64_t>(size) + missing_bytes);
  }
  AttemptDir dir = dir_;
  Require(dir.WriteExit(record));
  DropLock();
}

void FakeRun::WriteAfterEnd(absl::string_view name, int64_t step) { Metric(name, step, -1); }

bool FakeRun::WaitUntil(const std::function<bool()>& condition) {
  while (!stopped_()) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

bool FakeRun::WaitForStop() {
  return WaitUntil([this] {
    const auto control = dir_.ReadControl();
    return control.ok() && control->has_value() &&
           (*control)->want() == internal::v1::Control::WANT_STOP;
  });
}

FakeLauncher::~FakeLauncher() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void FakeLauncher::Then(Script script) {
  MutexLock lock(mu_);
  steps_.push_back({absl::OkStatus(), std::move(script)});
}

void FakeLauncher::ThenFail(absl::Status error) {
  MutexLock lock(mu_);
  steps_.push_back({std::move(error), nullptr});
}

absl::Status FakeLauncher::Launch(const AttemptDir& attempt, const Account* run_as) {
  MutexLock lock(mu_);
  ++launches_;
  if (steps_.empty()) return absl::OkStatus();
  Step step = std::move(steps_.front());
  steps_.pop_front();
  if (!step.error.ok()) return step.error;
  threads_.emplace_back([this, attempt, script = std::move(step.script)] {
    FakeRun run(
        attempt,
        [this] {
          MutexLock lock(mu_);
          return stopped_;
        },
        fs_);
    script(run);
  });
  return absl::OkStatus();
}

absl::Status FakeLauncher::Poke(const AttemptDir& attempt) {
  MutexLock lock(mu_);
  ++pokes_;
  const auto exit = attempt.ReadExit();
  if (exit.ok() && exit->has_value()) return absl::NotFoundError("the shepherd is gone");
  return absl::OkStatus();
}

int FakeLauncher::launches() {
  MutexLock lock(mu_);
  return launches_;
}

int FakeLauncher::pokes() {
  MutexLock lock(mu_);
  return pokes_;
}

FakeLauncher::Script TrainOneStep(double loss) {
  return [loss](FakeRun& run) {
    if (!run.Claim()) return;
    run.StartRank();
    run.Metric("train/loss", 1, loss);
    run.Model();
    run.Result(v1::COMPLETED);
    run.Exit(v1::COMPLETED);
  };
}

FakeLauncher::Script TrainUntilStopped() {
  return [](FakeRun& run) {
    if (!run.Claim()) return;
    run.StartRank();
    if (!run.WaitForStop()) return;
    run.Result(v1::STOPPED);
    run.Exit(v1::STOPPED);
  };
}

}  // namespace skytrain
