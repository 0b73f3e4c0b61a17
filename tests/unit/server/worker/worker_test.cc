// The real worker, by hand: no shepherd, no daemon.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/attempt/attempt_dir.h"
#include "common/digest/digest.h"
#include "common/file/file_system.h"
#include "common/spool/spool.h"
#include "gtest/gtest.h"
#include "skytrain/internal/v1/record.pb.h"
#include "skytrain/v1/event.pb.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

constexpr char kSamples[] = SKYTRAIN_SOURCE_DIR "/tests/data/";

struct Told {
  std::vector<internal::v1::Record> records;
  std::vector<v1::Event> events;
};

class WorkerTest : public ::testing::Test {
 protected:
  internal::v1::AttemptSpec Iris(int epochs) const {
    internal::v1::AttemptSpec spec;
    spec.set_job_name("jobs/iris");
    spec.set_job_uid("u1");
    spec.set_number(1);
    spec.set_threads(1);
    spec.set_world_size(1);
    spec.add_devices("cpu:0");
    spec.set_cache_dir(dir_.File("cache"));
    v1::Experiment& experiment = *spec.mutable_experiment();
    experiment.mutable_data()->set_dataset(absl::StrCat(kSamples, "iris.csv"));
    experiment.mutable_data()->mutable_splits()->mutable_test()->set_fraction(0.2);
    experiment.mutable_task()->mutable_classification();
    experiment.mutable_model()->mutable_mlp()->add_hidden(16);
    experiment.mutable_train()->set_epochs(epochs);
    experiment.mutable_train()->set_batch_size(16);
    experiment.mutable_train()->mutable_checkpoint()->set_every_epochs(1'000'000);
    experiment.mutable_optimizer()->mutable_adamw()->set_lr(0.01);
    return spec;
  }

  AttemptDir Create(const std::string& name, const internal::v1::AttemptSpec& spec) const {
    AttemptDir attempt(FileSystem::Posix(), dir_.File(name));
    EXPECT_TRUE(attempt.Create(spec).ok());
    return attempt;
  }

  static pid_t Start(const AttemptDir& attempt) {
    std::string program = SKYTRAIN_BIN_DIR "/skytrain-worker", flag = "--attempt",
                path = attempt.path();
    char* argv[] = {program.data(), flag.data(), path.data(), nullptr};
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, program.c_str(), nullptr, nullptr, argv, environ), 0);
    return pid;
  }

  static int Wait(pid_t pid) {
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  static Told Read(const AttemptDir& attempt) {
    Told told;
    auto reader = SpoolReader::Open(attempt.RankSpoolPath(0), 0);
    if (!reader.ok()) return told;
    for (;;) {
      const auto frame = (*reader)->Next();
      if (!frame.ok() || !frame->has_value()) return told;
      if ((*frame)->type == FrameType::kEvent) {
        EXPECT_TRUE(told.events.emplace_back().ParseFromString((*frame)->payload));
      } else {
        EXPECT_TRUE(told.records.emplace_back().ParseFromString((*frame)->payload));
      }
    }
  }

  static internal::v1::RankResult ResultOf(const Told& told) {
    return told.records.empty() ? internal::v1::RankResult() : told.records.back().rank_result();
  }

  const TempDir dir_;
};

TEST_F(WorkerTest, TrainsFromTheFolderAloneAndPublishesAModel) {
  const AttemptDir attempt = Create("a", Iris(100));
  EXPECT_EQ(Wait(Start(attempt)), 0);
  const Told told = Read(attempt);
  ASSERT_EQ(told.records.size(), 2);
  EXPECT_EQ(told.records[0].rank_started().device(), "cpu");
  EXPECT_EQ(told.records[0].rank_started().threads(), 1);
  EXPECT_EQ(ResultOf(told).end(), v1::COMPLETED) << ResultOf(told).message();
  EXPECT_TRUE(ResultOf(told).model_written());
  std::optional<v1::EvaluationReport> test;
  std::optional<v1::DataSummary> data;
  for (const v1::Event& event : told.events) {
    if (event.has_report() && event.report().split() == "test") test = event.report();
    if (event.has_data()) data = event.data();
  }
  ASSERT_TRUE(test.has_value());
  EXPECT_GT(test->accuracy(), 0.85);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->classes_size(), 3);
  EXPECT_TRUE(FileSystem::Posix().Exists(attempt.ModelPath() + "/model.json"));

  // The model measures the same, in an attempt of its own.
  internal::v1::AttemptSpec work = Iris(1);
  work.mutable_evaluation()->set_model_dir(attempt.ModelPath());
  work.mutable_evaluation()->mutable_data()->set_dataset(absl::StrCat(kSamples, "iris.csv"));
  const AttemptDir evaluation = Create("b", work);
  EXPECT_EQ(Wait(Start(evaluation)), 0);
  const Told measured = Read(evaluation);
  EXPECT_EQ(ResultOf(measured).end(), v1::COMPLETED) << ResultOf(measured).message();
  ASSERT_FALSE(measured.events.empty());
  int64_t count = 0;
  for (const v1::Event& event : measured.events) {
    if (event.has_report()) count = event.report().count();
  }
  EXPECT_EQ(count, 150);
}

TEST_F(WorkerTest, ADamagedImageOfTheCacheEndsTheAttemptAndTheNextOneDecodesAnew) {
  internal::v1::AttemptSpec spec = Iris(1);
  v1::Experiment& experiment = *spec.mutable_experiment();
  experiment.mutable_data()->set_dataset(absl::StrCat(kSamples, "galaxies3.tar"));
  experiment.mutable_data()->clear_splits();
  experiment.mutable_data()->mutable_image()->set_size(16);
  experiment.mutable_model()->mutable_small_cnn();
  const auto result_of = [&](const char* name) {
    const AttemptDir attempt = Create(name, spec);
    Wait(Start(attempt));
    return ResultOf(Read(attempt));
  };
  EXPECT_EQ(result_of("whole").end(), v1::COMPLETED);
  std::string cache;
  for (const auto& file : std::filesystem::directory_iterator(dir_.File("cache"))) {
    if (file.path().extension() == ".images") cache = file.path().string();
  }
  ASSERT_FALSE(cache.empty());
  {
    std::fstream file(cache, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(4096 + 500 * 16 * 16 * 3);
    const auto byte = static_cast<char>(file.get() ^ 1);
    file.seekp(4096 + 500 * 16 * 16 * 3);
    file.put(byte);
  }
  const internal::v1::RankResult damaged = result_of("damaged");
  EXPECT_EQ(damaged.end(), v1::RANK_FAILED) << damaged.message();  // Which is tried again.
  EXPECT_TRUE(absl::StrContains(damaged.message(), cache)) << damaged.message();
  EXPECT_TRUE(absl::StrContains(damaged.message(), "the decoded image of \"")) << damaged.message();
  EXPECT_FALSE(std::filesystem::exists(cache));
  EXPECT_EQ(result_of("again").end(), v1::COMPLETED);
  EXPECT_TRUE(std::filesystem::exists(cache));
}

TEST_F(WorkerTest, PredictsWithoutLabelsAndNamesWhatItWrote) {
  const AttemptDir attempt = Create("a", Iris(5));
  ASSERT_EQ(Wait(Start(attempt)), 0);
  internal::v1::AttemptSpec spec = Iris(1);
  internal::v1::EvaluationWork& work = *spec.mutable_evaluation();
  work.set_model_dir(attempt.ModelPath());
  work.add_ensemble()->set_model_dir(attempt.ModelPath());
  work.mutable_data()->set_dataset(absl::StrCat(kSamples, "iris.csv"));
  work.set_unlabelled(true);
  work.mutable_output()->set_predictions(v1::Output::FORMAT_CSV);
  const AttemptDir evaluation = Create("b", spec);
  EXPECT_EQ(Wait(Start(evaluation)), 0);
  const Told told = Read(evaluation);
  EXPECT_EQ(ResultOf(told).end(), v1::COMPLETED) << ResultOf(told).message();
  std::vector<v1::JobFile> files;
  for (const v1::Event& event : told.events) {
    EXPECT_FALSE(event.has_report()) << "there is nothing to measure";
    files.insert(files.end(), event.files().files().begin(), event.files().files().end());
  }
  ASSERT_EQ(files.size(), 1);
  EXPECT_EQ(files[0].name(), "predictions.csv");
  const auto written = FileSystem::Posix().ReadFile(
      absl::StrCat(evaluation.OutputPath(), "/", files[0].name()), 1 << 20);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(files[0].size_bytes(), static_cast<int64_t>(written->size()));
  EXPECT_EQ(files[0].sha256(), Sha256Hex(*written));
}

TEST_F(WorkerTest, ModelsThatCannotBeAskedSoAreNamed) {
  const AttemptDir attempt = Create("a", Iris(1));
  ASSERT_EQ(Wait(Start(attempt)), 0);
  internal::v1::AttemptSpec other = Iris(1);
  other.mutable_experiment()->mutable_data()->mutable_classes()->add_drop("setosa");
  const AttemptDir fewer = Create("b", other);
  ASSERT_EQ(Wait(Start(fewer)), 0);
  internal::v1::AttemptSpec spec = Iris(1);
  spec.mutable_evaluation()->set_model_dir(attempt.ModelPath());
  spec.mutable_evaluation()->mutable_data()->set_dataset(absl::StrCat(kSamples, "iris.csv"));
  internal::v1::AttemptSpec averaged = spec, turned = spec, dropping = spec, images = spec;
  averaged.mutable_evaluation()->add_ensemble()->set_model_dir(fewer.ModelPath());
  turned.mutable_evaluation()->set_dihedral(true);
  dropping.mutable_evaluation()->set_dropout_samples(3);
  images.mutable_evaluation()->mutable_data()->set_dataset(absl::StrCat(kSamples, "galaxies3.tar"));
  images.mutable_evaluation()->set_unlabelled(true);
  images.mutable_evaluation()->mutable_output()->set_predictions(v1::Output::FORMAT_CSV);
  const struct {
    const char* name;
    internal::v1::AttemptSpec spec;
    const char* message;
  } cases[] = {{"c", averaged, "classes"},
               {"d", turned, "dihedral"},
               {"e", dropping, "dropout"},
               {"f", images, "holds images"}};
  for (const auto& test : cases) {
    const AttemptDir evaluation = Create(test.name, test.spec);
    EXPECT_EQ(Wait(Start(evaluation)), 1) << test.name;
    const internal::v1::RankResult result = ResultOf(Read(evaluation));
    EXPECT_EQ(result.end(), v1::INVALID_DATA) << result.message();
    EXPECT_TRUE(absl::StrContains(result.message(), test.message)) << result.message();
  }
}

TEST_F(WorkerTest, SigtermWithoutAControlFileWritesACheckpointAndLeaves) {
  const AttemptDir attempt = Create("a", Iris(1'000'000));
  const pid_t pid = Start(attempt);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  bool training = false;
  while (!training && std::chrono::steady_clock::now() < deadline) {
    for (const v1::Event& event : Read(attempt).events) training |= event.has_metrics();
    std::this_thread::yield();
  }
  EXPECT_TRUE(training);
  ASSERT_EQ(kill(pid, SIGTERM), 0);
  EXPECT_EQ(Wait(pid), 0);
  const Told told = Read(attempt);
  EXPECT_EQ(ResultOf(told).end(), v1::STOPPED);
  int64_t step = 0;
  for (const v1::Event& event : told.events) {
    if (event.has_checkpoint()) step = event.checkpoint().step();
  }
  ASSERT_GT(step, 0);
  EXPECT_TRUE(FileSystem::Posix().Exists(
      absl::StrCat(attempt.CheckpointsPath(), "/step-", step, "/state.json")));
}

TEST_F(WorkerTest, WhatControlFileWantsAtTheStartIsDone) {
  AttemptDir attempt = Create("a", Iris(1'000'000));
  internal::v1::Control control;
  control.set_generation(1);
  control.set_want(internal::v1::Control::WANT_STOP);
  ASSERT_TRUE(attempt.WriteControl(control).ok());
  EXPECT_EQ(Wait(Start(attempt)), 0);
  EXPECT_EQ(ResultOf(Read(attempt)).end(), v1::STOPPED);
}

TEST_F(WorkerTest, FailuresAreNamedInTheLastRecord) {
  internal::v1::AttemptSpec no_data = Iris(1);
  no_data.mutable_experiment()->mutable_data()->set_dataset("/nowhere/at-all.csv");
  internal::v1::AttemptSpec no_checkpoint = Iris(1);
  no_checkpoint.set_resume_from(dir_.File("step-7"));
  internal::v1::AttemptSpec diverging = Iris(50);
  diverging.mutable_experiment()->mutable_optimizer()->mutable_sgd()->set_lr(1e30);
  const struct {
    const char* name;
    internal::v1::AttemptSpec spec;
    v1::AttemptEnd end;
    const char* message;
  } cases[] = {{"a", no_data, v1::INVALID_DATA, "at-all.csv"},
               {"b", no_checkpoint, v1::CHECKPOINT_CORRUPT, "step-7"},
               {"c", diverging, v1::NON_FINITE_LOSS, "learning rate"}};
  for (const auto& test : cases) {
    const AttemptDir attempt = Create(test.name, test.spec);
    EXPECT_EQ(Wait(Start(attempt)), 1) << test.name;
    const internal::v1::RankResult result = ResultOf(Read(attempt));
    EXPECT_EQ(result.end(), test.end) << result.message();
    EXPECT_TRUE(absl::StrContains(result.message(), test.message)) << result.message();
    EXPECT_FALSE(FileSystem::Posix().Exists(attempt.ModelPath())) << test.name;
  }
}

}  // namespace
}  // namespace skytrain
