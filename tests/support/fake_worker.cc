// skytrain-fake-worker --attempt DIR: behaves towards shepherd and daemon like the real worker,
// trains nothing, and does what the experiment's labels say. See README.md.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/attempt/attempt_dir.h"
#include "common/digest/digest.h"
#include "common/file/file_system.h"
#include "common/process/process.h"
#include "common/spool/spool_queue.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

using internal::v1::AttemptSpec;
using internal::v1::Control;
using internal::v1::Record;

int NumberFromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  int value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

// What the labels ask for.
class Script {
 public:
  Script(const AttemptSpec& spec, int rank) : labels_(spec.experiment().labels()), rank_(rank) {}

  // "fake.rank1.KEY" for one rank, else "fake.KEY" for all.
  std::string Text(absl::string_view key) const {
    for (const std::string& name :
         {absl::StrCat("fake.rank", rank_, ".", key), absl::StrCat("fake.", key)}) {
      if (const auto it = labels_.find(name); it != labels_.end()) return it->second;
    }
    return "";
  }
  int64_t Number(absl::string_view key, int64_t otherwise) const {
    int64_t value = 0;
    return absl::SimpleAtoi(Text(key), &value) ? value : otherwise;
  }
  bool Flag(absl::string_view key) const { return Number(key, 0) != 0; }

 private:
  const google::protobuf::Map<std::string, std::string>& labels_;
  const int rank_;
};

class FakeWorker {
 public:
  FakeWorker(AttemptDir dir, AttemptSpec spec, int rank)
      : dir_(std::move(dir)), spec_(std::move(spec)), rank_(rank), script_(spec_, rank) {}

  // The exit code.
  absl::StatusOr<int> Run() {
    RETURN_IF_ERROR(LeaveWitness());
    ASSIGN_OR_RETURN(queue_, SpoolQueue::Create(FileSystem::Posix(), dir_.RankSpoolPath(rank_)));
    RETURN_IF_ERROR(Start());
    if (spec_.has_evaluation()) {
      RETURN_IF_ERROR(Test());
      return Leave(v1::COMPLETED, "");
    }
    if (script_.Flag("hang")) Hang();
    PrintLog();
    if (script_.Flag("read_data")) {
      const absl::Status read = ReadData();
      if (!read.ok()) return Leave(v1::INVALID_DATA, std::string(read.message()));
    }
    if (const int64_t mib = script_.Number("alloc_mb", 0); mib > 0) {
      // Touched, so that it counts; not caught, as an allocation in a library's thread.
      const std::vector<char> taken(static_cast<size_t>(mib) << 20, 1);
      std::printf("took %zu bytes\n", taken.size());
      if (!Wait(absl::Milliseconds(script_.Number("hold_ms", 0)))) return Leave(v1::STOPPED, "");
    }
    const int64_t epochs =
        script_.Number("epochs", std::max(spec_.experiment().train().epochs(), 1));
    const int64_t steps = script_.Number("steps", 10);
    for (int64_t epoch = 1 + step_ / steps; epoch <= epochs; ++epoch) {
      if (!RunEpoch(static_cast<uint32_t>(epoch), epochs, steps)) return Leave(v1::STOPPED, "");
    }
    PushPoints();
    RETURN_IF_ERROR(Test());
    Misbehave();
    return Leave(v1::COMPLETED, "");
  }

 private:
  // Says in a file of the job that this attempt runs, and whether another one does at the same
  // time: each holds a lock on it for life.
  absl::Status LeaveWitness() const {
    const std::string path = script_.Text("witness");
    if (path.empty()) return absl::OkStatus();
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return absl::ErrnoToStatus(errno, path);
    const bool alone = flock(fd, LOCK_EX | LOCK_NB) == 0;
    const std::string line = absl::StrCat(alone ? "alone " : "overlap ", spec_.number(), "\n");
    if (write(fd, line.data(), line.size()) < 0) return absl::ErrnoToStatus(errno, path);
    return absl::OkStatus();
  }

  absl::Status Start() {
    Record record;
    auto& started = *record.mutable_rank_started();
    started.set_rank(rank_);
    ASSIGN_OR_RETURN(*started.mutable_process(), Self());
    started.set_build(spec_.build());
    started.set_device("cpu");
    started.set_threads(spec_.threads());
    started.set_instruction_set("FAKE");
    const size_t dash = spec_.resume_from().rfind('-');
    if (dash != std::string::npos) {
      int64_t step = 0;
      if (absl::SimpleAtoi(spec_.resume_from().substr(dash + 1), &step)) step_ = step;
    }
    started.set_resumed_from_step(step_);
    RETURN_IF_ERROR(queue_->WriteRecord(record, true));
    v1::Event event;
    event.mutable_data()->set_train(100);
    event.mutable_data()->set_validation(20);
    event.mutable_data()->set_test(30);
    for (const char* name : {"round", "cigar"}) event.mutable_data()->add_classes(name);
    for (int i = 0; i < 2; ++i) event.mutable_data()->add_train_class_counts(50);
    event.mutable_data()->set_digest("fake");
    return rank_ == 0 ? queue_->WriteEvent(event, false) : absl::OkStatus();
  }

  absl::Status ReadData() const {
    const std::string& path = spec_.experiment().data().dataset();
    ASSIGN_OR_RETURN(const std::string bytes, FileSystem::Posix().ReadFile(path, 64 << 20));
    std::printf("read %zu bytes of data\n", bytes.size());
    std::fflush(stdout);
    return absl::OkStatus();
  }

  void PrintLog() const {
    int64_t left = script_.Number("log_bytes", 0);
    const std::string line(99, '.');
    for (; left > 0; left -= 100) std::printf("%s\n", line.c_str());
    std::printf("rank %d of the fake worker prints to stdout\n", rank_);
    std::fflush(stdout);
    if (const std::string text = script_.Text("stderr"); !text.empty()) {
      std::fprintf(stderr, "%s\n", text.c_str());
    }
  }

  // False when it was told to stop.
  bool RunEpoch(uint32_t epoch, int64_t epochs, int64_t steps) {
    const uint32_t loss = queue_->NameIndex("train/loss");
    const int64_t step_ms = script_.Number("step_ms", 0);
    while (step_ < static_cast<int64_t>(epoch) * steps) {
      ++step_;
      if (rank_ == 0) queue_->PushMetric(loss, step_, epoch, 1.0 / static_cast<double>(step_));
      if (!Wait(absl::Milliseconds(step_ms))) return false;
    }
    if (script_.Number("misbehave_epoch", 0) == epoch) Misbehave();
    if (rank_ != 0) return true;
    queue_->PushMetric(queue_->NameIndex("val/accuracy"), step_, epoch, 1.0 - 0.5 / epoch);
    queue_->PushMetric(queue_->NameIndex("val/loss"), step_, epoch, 0.5 / epoch);
    v1::Progress progress;
    progress.set_phase("train");
    progress.set_done(step_);
    progress.set_total(epochs * steps);
    progress.set_unit("steps");
    progress.set_epoch(static_cast<int32_t>(epoch));
    progress.set_epochs(static_cast<int32_t>(epochs));
    progress.set_images_per_second(1234.5);
    queue_->PushProgress(progress);
    WriteCheckpoint(static_cast<int32_t>(epoch), true);
    return true;
  }

  // Waits for a signal at most so long. False when it was told to stop.
  bool Wait(absl::Duration time) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR1);
    const absl::Time end = absl::Now() + time;
    while (true) {
      const timespec left = absl::ToTimespec(std::max(end - absl::Now(), absl::ZeroDuration()));
      const int signal = sigtimedwait(&signals, nullptr, &left);
      if (signal < 0) return true;
      if (script_.Flag("ignore_term")) continue;
      const auto control = dir_.ReadControl();
      const bool checkpoint_only = signal == SIGUSR1 && control.ok() && control->has_value() &&
                                   (*control)->want() == Control::WANT_CHECKPOINT;
      WriteCheckpoint(0, false);
      if (!checkpoint_only) return false;
    }
  }

  void WriteCheckpoint(int32_t epoch, bool best) {
    if (rank_ != 0) return;
    const std::string folder = absl::StrCat(dir_.CheckpointsPath(), "/step-", step_);
    FileSystem& fs = FileSystem::Posix();
    fs.CreateDir(dir_.CheckpointsPath()).IgnoreError();
    fs.CreateDir(folder + ".tmp").IgnoreError();
    const std::string weights = absl::StrCat("weights of step ", step_);
    // Whole in the daemon's eyes: the digests are those of the files
    // (server/jobs/checkpoint_finder.h).
    const std::string state = absl::StrCat("{\"files\":{\"model.safetensors\":{\"sha256\":\"",
                                           Sha256Hex(weights), "\"}},\"step\":", step_, "}");
    WriteFileAtomically(fs, folder + ".tmp/model.safetensors", weights).IgnoreError();
    WriteFileAtomically(
        fs, folder + ".tmp/state.json",
        absl::StrCat("{\"sha256\":\"", Sha256Hex(state), "\",\"state\":", state, "}\n"))
        .IgnoreError();
    fs.Rename(folder + ".tmp", folder).IgnoreError();
    v1::Event event;
    event.mutable_checkpoint()->set_step(step_);
    event.mutable_checkpoint()->set_epoch(epoch);
    event.mutable_checkpoint()->set_sha256(Sha256Hex(absl::StrCat(step_)));
    event.mutable_checkpoint()->set_size_bytes(16);
    event.mutable_checkpoint()->set_best(best);
    queue_->WriteEvent(event, true).IgnoreError();
  }

  // As many points as "points" says, as fast as the queue takes them. Unlike a training loop it
  // waits for room, so that all of them arrive. Or at the pace of a training loop, see PushPaced.
  void PushPoints() {
    const int64_t points = script_.Number("points", 0);
    const int64_t per_step = std::max<int64_t>(script_.Number("points_per_step", 4), 1);
    std::vector<uint32_t> names;
    for (int64_t i = 0; i < per_step; ++i) {
      names.push_back(queue_->NameIndex(absl::StrCat("fake/", i)));
    }
    if (script_.Number("pace_us", 0) > 0) return PushPaced(names, points / per_step);
    for (int64_t i = 0; i < points; ++i) {
      // Half of the ring at a time.
      if (i % (1 << 15) == 0) queue_->Flush();
      const uint32_t name = names[static_cast<size_t>(i % per_step)];
      queue_->PushMetric(name, i / per_step, 1, static_cast<double>(i));
    }
  }

  // A point of each name per step, a step each "pace_us"; then what share of the time the pushes
  // took.
  void PushPaced(const std::vector<uint32_t>& names, int64_t steps) {
    using Clock = std::chrono::steady_clock;
    const std::chrono::microseconds pace(script_.Number("pace_us", 0));
    const Clock::time_point begin = Clock::now();
    Clock::duration pushing{};
    double value = 0;
    for (int64_t step = 0; step < steps; ++step) {
      std::this_thread::sleep_until(begin + step * pace);
      const Clock::time_point before = Clock::now();
      for (const uint32_t name : names) queue_->PushMetric(name, step, 1, value++);
      pushing += Clock::now() - before;
    }
    const std::chrono::duration<double> pushed = pushing, all = Clock::now() - begin;
    queue_->PushMetric(queue_->NameIndex("push_share"), steps, 1, pushed / all);
  }

  absl::Status Test() {
    if (rank_ != 0) return absl::OkStatus();
    v1::Event event;
    auto& report = *event.mutable_report();
    report.set_split("test");
    report.set_count(30);
    report.set_loss(0.25);
    report.set_accuracy(0.9);
    report.set_balanced_accuracy(0.9);
    for (const char* name : {"round", "cigar"}) report.add_classes(name);
    for (const double recall : {14.0 / 15, 13.0 / 15}) report.add_recall(recall);
    for (const int count : {14, 1, 2, 13}) report.add_confusion_matrix(count);
    queue_->PushMetric(queue_->NameIndex("test/accuracy"), step_, 0, 0.9);
    return queue_->WriteEvent(event, false);
  }

  absl::Status WriteModel() {
    FileSystem& fs = FileSystem::Posix();
    if (!fs.Exists(dir_.ModelPath())) RETURN_IF_ERROR(fs.CreateDir(dir_.ModelPath()));
    const std::string header = R"({"fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    std::string tensors(8, '\0');
    tensors[0] = static_cast<char>(header.size());
    tensors += header + std::string(8, '\0');
    RETURN_IF_ERROR(WriteFileAtomically(fs, dir_.ModelPath() + "/model.safetensors", tensors));
    const std::string card = absl::StrCat(
        R"({"format": "skytrain-model-1", "family": "mlp", "classes": ["round", "cigar"], )",
        R"("parameters": 2, "step": )", step_, R"(, "sha256": ")", Sha256Hex(tensors), "\"}\n");
    return WriteFileAtomically(fs, dir_.ModelPath() + "/model.json", card);
  }

  // Exits or dies as scripted; returns when nothing of that kind is.
  void Misbehave() {
    if (const auto signal = static_cast<int>(script_.Number("signal", 0)); signal != 0) {
      ::signal(signal, SIG_DFL);
      sigset_t only;
      sigemptyset(&only);
      sigaddset(&only, signal);
      sigprocmask(SIG_UNBLOCK, &only, nullptr);
      kill(getpid(), signal);
      pause();
    }
    if (const auto code = static_cast<int>(script_.Number("exit_code", 0)); code != 0) {
      queue_.reset();
      std::_Exit(code);
    }
  }

  [[noreturn]] void Hang() {
    while (true) {
      if (!Wait(absl::Hours(1))) std::_Exit(Leave(v1::STOPPED, "").value_or(1));
    }
  }

  absl::StatusOr<int> Leave(v1::AttemptEnd end, std::string message) {
    if (const std::string name = script_.Text("end"); !name.empty() && end == v1::COMPLETED) {
      if (!v1::AttemptEnd_Parse(name, &end)) {
        return absl::InvalidArgumentError(absl::StrCat("fake.end: no such end: ", name));
      }
      message = script_.Text("message");
    }
    Record record;
    auto& result = *record.mutable_rank_result();
    result.set_rank(rank_);
    result.set_end(end);
    result.set_message(message);
    if (rank_ == 0 && end == v1::COMPLETED && script_.Flag("model")) {
      RETURN_IF_ERROR(WriteModel());
      result.set_model_written(true);
    }
    RETURN_IF_ERROR(queue_->WriteRecord(record, true));
    queue_.reset();
    return end == v1::COMPLETED || end == v1::STOPPED ? 0 : 1;
  }

  const AttemptDir dir_;
  const AttemptSpec spec_;
  const int rank_;
  const Script script_;
  std::unique_ptr<SpoolQueue> queue_;
  int64_t step_ = 0;
};

int Complain(const absl::Status& status) {
  std::fprintf(stderr, "skytrain-fake-worker: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  if (argc != 3 || absl::string_view(argv[1]) != "--attempt") {
    std::fprintf(stderr, "usage: skytrain-fake-worker --attempt DIR\n");
    return 2;
  }
  const pid_t parent = getppid();
  // By hand they are not blocked yet.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGUSR1);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  AttemptDir dir(FileSystem::Posix(), argv[2]);
  const auto spec = dir.ReadSpec();
  if (!spec.ok()) return Complain(spec.status());
  const int rank = NumberFromEnvironment("SKYTRAIN_RANK", 0);
  if (!Script(*spec, rank).Flag("outlive")) {
    // As the real one: it does not outlive its shepherd.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return 1;
  }
  const absl::StatusOr<int> code = FakeWorker(dir, *spec, rank).Run();
  return code.ok() ? *code : Complain(code.status());
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) { return skytrain::Main(argc, argv); }
