#include "server/training/checkpoint/checkpoint.h"

#include <map>
#include <random>
#include <string>

#include "ATen/ATen.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/checkpoint/tensor_io.h"
#include "tests/support/fault_injecting_file_system.h"
#include "tests/support/temp_dir.h"

namespace skytrain::training {
namespace {

using ::testing::UnorderedElementsAre;

Checkpoint Make(int64_t step, int64_t best_step = -1) {
  Checkpoint checkpoint;
  checkpoint.state.step = step;
  checkpoint.state.epoch_loss_sum = 0.1 + 0.2;
  checkpoint.state.batches = 3;
  checkpoint.identity = {"0.1.0", "AVX512_BF16", "bf16", "cpu", 18446744073709551615U, 2, 1};
  if (best_step >= 0) {
    BestSoFar best{best_step, 1, 0.7, {}};
    best.validation.add_classes("a");
    best.validation.add_recall(1.0);
    best.validation.add_confusion_matrix(4);
    checkpoint.state.best = best;
  }
  // channels_last, as in the model: the file has logical order.
  checkpoint.model = {
      {"w",
       at::arange(24, at::kFloat).view({1, 2, 3, 4}).contiguous(at::MemoryFormat::ChannelsLast)},
      {"n", at::full({}, step, at::kLong)}};
  checkpoint.optimizer = {{"step", at::full({}, static_cast<double>(step))}};
  return checkpoint;
}

TEST(CheckpointTest, WhatIsSavedIsLoaded) {
  const TempDir dir;
  CheckpointWriter writer(FileSystem::Posix(), dir.File("c"), 2);
  Checkpoint made = Make(7, 5);
  made.best = {{"w", at::ones({2})}};
  const auto saved = writer.Save(made);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(saved->path, dir.File("c/step-7"));
  const auto loaded = LoadCheckpoint(FileSystem::Posix(), saved->path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->state.step, 7);
  EXPECT_EQ(loaded->state.epoch_loss_sum, 0.1 + 0.2);
  EXPECT_TRUE(loaded->identity == made.identity);
  EXPECT_EQ(loaded->state.best->validation.confusion_matrix(0), 4);
  ASSERT_EQ(loaded->model.size(), 2);
  for (const NamedTensor& named : loaded->model) {
    EXPECT_TRUE(named.tensor.equal(made.model[named.name == "w" ? 0 : 1].tensor)) << named.name;
  }
  EXPECT_TRUE(loaded->best[0].tensor.equal(at::ones({2})));
}

TEST(CheckpointTest, KeepsTheNewestAndTheBest) {
  const TempDir dir;
  CheckpointWriter writer(FileSystem::Posix(), dir.File("c"), 2);
  for (int64_t step = 1; step <= 9; ++step) ASSERT_TRUE(writer.Save(Make(step, 3)).ok());
  const auto names = FileSystem::Posix().ListDir(dir.File("c"));
  ASSERT_TRUE(names.ok());
  EXPECT_THAT(*names, UnorderedElementsAre("step-3", "step-8", "step-9"));
}

TEST(CheckpointTest, SameStepAgainReplacesIt) {
  const TempDir dir;
  CheckpointWriter writer(FileSystem::Posix(), dir.File("c"), 2);
  ASSERT_TRUE(writer.Save(Make(4)).ok());
  Checkpoint again = Make(4);
  again.state.batches = 9;
  ASSERT_TRUE(writer.Save(again).ok());
  EXPECT_EQ(LoadCheckpoint(FileSystem::Posix(), dir.File("c/step-4"))->state.batches, 9);
}

TEST(CheckpointTest, DamageIsFoundAndNamed) {
  const struct {
    const char* file;
    void (*damage)(std::string&);
  } cases[] = {
      {"model.safetensors", [](std::string& text) { text[text.size() - 1] ^= 1; }},
      {"model.safetensors", [](std::string& text) { text.resize(text.size() - 1); }},
      {"optimizer.safetensors", [](std::string& text) { text[9] ^= 4; }},
      {"state.json", [](std::string& text) { text.clear(); }},
      {"state.json", [](std::string& text) { text.resize(text.size() / 2); }},
      {"state.json",
       [](std::string& text) { text.replace(text.find("\"step\": 7"), 9, "\"step\": 8"); }},
  };
  for (const auto& test : cases) {
    const TempDir dir;
    CheckpointWriter writer(FileSystem::Posix(), dir.File("c"), 2);
    ASSERT_TRUE(writer.Save(Make(7)).ok());
    const std::string path = dir.File(absl::StrCat("c/step-7/", test.file));
    std::string text = ReadWhole(path);
    test.damage(text);
    WriteWhole(path, text);
    const absl::Status status = LoadCheckpoint(FileSystem::Posix(), dir.File("c/step-7")).status();
    EXPECT_EQ(ReasonOf(status), "CHECKPOINT_CORRUPT") << test.file;
    EXPECT_TRUE(absl::StrContains(status.message(), test.file)) << status;
  }
}

TEST(CheckpointTest, NewestWholeOneWinsAndTornOnesAreNamed) {
  const TempDir dir;
  CheckpointWriter writer(FileSystem::Posix(), dir.File("c"), 9);
  for (const int64_t step : {5, 6, 10}) ASSERT_TRUE(writer.Save(Make(step)).ok());
  WriteWhole(dir.File("c/step-10/model.safetensors"), "torn");
  ASSERT_TRUE(FileSystem::Posix().CreateDir(dir.File("c/step-11.tmp")).ok());
  const auto newest = FindNewestCheckpoint(FileSystem::Posix(), dir.File("c"));
  ASSERT_TRUE(newest.ok());
  EXPECT_EQ(newest->path, dir.File("c/step-6"));
  ASSERT_EQ(newest->skipped.size(), 1);
  EXPECT_TRUE(absl::StrContains(newest->skipped[0], "step-10")) << newest->skipped[0];
}

// A failure or a power loss after any single operation leaves the older checkpoint or the newer
// one, never a torn one under a step's name.
TEST(CheckpointTest, FailureAtAnyOperationLeavesOnlyWholeCheckpoints) {
  for (size_t operation = 0; operation < 40; ++operation) {
    const TempDir dir;
    ASSERT_TRUE(CheckpointWriter(FileSystem::Posix(), dir.File("c"), 2).Save(Make(1)).ok());
    FaultInjectingFileSystem fs;
    fs.FailOperation(operation, absl::ResourceExhaustedError("disk full"), 5);
    const bool saved = CheckpointWriter(fs, dir.File("c"), 2).Save(Make(2)).ok();
    const auto newest = FindNewestCheckpoint(FileSystem::Posix(), dir.File("c"));
    ASSERT_TRUE(newest.ok());
    EXPECT_TRUE(newest->skipped.empty()) << operation;
    if (saved) {
      EXPECT_EQ(newest->path, dir.File("c/step-2")) << operation;
    } else {
      EXPECT_FALSE(newest->path.empty()) << operation;
    }
  }
}

ModelCard Card() {
  ModelCard card;
  card.family = "mlp";
  card.classes = {"a", "b"};
  card.experiment.set_name("x");
  card.experiment.mutable_train()->set_epochs(3);
  card.normalisation = {{1.5}, {0.1}};
  card.columns = {"width"};
  card.parameters = 4;
  card.step = 12;
  card.reports.emplace_back().set_split("test");
  return card;
}

TEST(ModelFolderTest, WhatIsWrittenIsRead) {
  const TempDir dir;
  const std::string folder = dir.File("model");
  const std::vector<NamedTensor> state = {{"0.weight", at::ones({2, 1})}};
  ASSERT_TRUE(WriteModelFolder(FileSystem::Posix(), folder, Card(), state).ok());
  const auto read = ReadModelFolder(FileSystem::Posix(), folder);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->card.classes, Card().classes);
  EXPECT_EQ(read->card.normalisation.mean, Card().normalisation.mean);
  EXPECT_EQ(read->card.experiment.train().epochs(), 3);
  EXPECT_EQ(read->card.columns, Card().columns);
  EXPECT_EQ(read->card.reports[0].split(), "test");
  EXPECT_TRUE(read->state[0].tensor.equal(state[0].tensor));
}

// Of the files as they are published.
std::map<std::string, std::string> Digests(const std::string& folder) {
  std::map<std::string, std::string> digests;
  for (const char* name : {"model.safetensors", "model.json"}) {
    digests[name] = Sha256Hex(ReadWhole(absl::StrCat(folder, "/", name)));
  }
  return digests;
}

TEST(ModelFolderTest, FlippedBitCutOrAbsenceIsNamedWithTheFile) {
  const TempDir dir;
  const std::string folder = dir.File("model");
  ASSERT_TRUE(WriteModelFolder(FileSystem::Posix(), folder, Card(), {{"w", at::ones({20})}}).ok());
  const std::map<std::string, std::string> digests = Digests(folder);
  std::mt19937 random(5);
  for (const auto& [name, digest] : digests) {
    const std::string path = absl::StrCat(folder, "/", name);
    const std::string whole = ReadWhole(path);
    const auto expect_named = [&, &name = name] {
      const auto read = ReadModelFolder(FileSystem::Posix(), folder, digests);
      EXPECT_EQ(ReasonOf(read.status()), "MODEL_CORRUPT") << name;
      EXPECT_TRUE(absl::StrContains(read.status().message(), path)) << read.status();
      EXPECT_TRUE(absl::StrContains(read.status().message(), "train it again")) << read.status();
    };
    for (int i = 0; i < 60; ++i) {
      std::string flipped = whole;
      flipped[random() % flipped.size()] ^= static_cast<char>(1 << (random() % 8));
      WriteWhole(path, flipped);
      expect_named();
    }
    for (const size_t length : {size_t{0}, size_t{1}, whole.size() / 2, whole.size() - 1}) {
      WriteWhole(path, whole.substr(0, length));
      expect_named();
    }
    ASSERT_TRUE(FileSystem::Posix().Remove(path).ok());
    expect_named();
    WriteWhole(path, whole);
  }
  EXPECT_TRUE(ReadModelFolder(FileSystem::Posix(), folder, digests).ok()) << "whole again";
}

TEST(ModelFolderTest, DamagedWeightsAreRefusedByTheCardAlone) {
  const TempDir dir;
  const std::string folder = dir.File("model");
  ASSERT_TRUE(WriteModelFolder(FileSystem::Posix(), folder, Card(), {{"w", at::ones({2})}}).ok());
  WriteWhole(folder + "/model.safetensors", "x");
  EXPECT_EQ(ReasonOf(ReadModelFolder(FileSystem::Posix(), folder).status()), "MODEL_CORRUPT");
}

}  // namespace
}  // namespace skytrain::training
