#include "server/training/loop/predictions.h"

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/strings/str_split.h"
#include "common/digest/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory_dataset.h"
#include "server/training/models/factory.h"
#include "server/training/tasks/regression.h"
#include "tests/support/temp_dir.h"

namespace skytrain::training {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

const c10::Device kCpu(c10::kCPU);

// Columns of rows of cells that need no quotes.
std::vector<std::vector<std::string>> Rows(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    rows.push_back(absl::StrSplit(line, ','));
  }
  return rows;
}

std::string Written(const MemoryDataset& set, const spec::TaskPlan& plan, TaskFacts facts) {
  const TempDir dir;
  const BatchSource source(set, 0, {{0, 0}, {1, 1}}, kCpu);
  spec::ModelPlan linear;
  linear.family = spec::ModelPlan::Family::kMlp;
  const auto task = MakeTask(plan, std::move(facts), kCpu);
  EXPECT_TRUE(task.ok()) << task.status();
  const auto model = MakeModel(linear, (*task)->outputs(), 2, 0);
  (*model)->Prepare(kCpu);
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : (*model)->parameters()) parameter.tensor.zero_();
  for (const Parameter& parameter : (*model)->parameters()) {
    if (parameter.tensor.dim() == 1) parameter.tensor[1] = 1.0;  // The bias of the second output.
  }
  const std::vector<int64_t> test = {4, 0, 2};
  const auto digest = WritePredictions(FileSystem::Posix(), dir.File("p.csv"), **model, source,
                                       **task, 2, {{"validation", {}}, {"test", test}});
  EXPECT_TRUE(digest.ok()) << digest.status();
  const std::string text = *FileSystem::Posix().ReadFile(dir.File("p.csv"), 1 << 20);
  EXPECT_EQ(digest->sha256, Sha256Hex(text));
  EXPECT_EQ(digest->size_bytes, static_cast<int64_t>(text.size()));
  return text;
}

TEST(PredictionsTest, NameClassesAndTheirProbabilities) {
  const MemoryDataset set = MemoryDataset::Table(std::vector<float>(10), 2, {0, 1, 0, 1, 1}, 2);
  TaskFacts facts;
  facts.classes = {"class0", "class1"};
  const auto rows = Rows(Written(set, {}, facts));
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_THAT(rows[0], ElementsAre("id", "split", "label", "prediction", "probability/class0",
                                   "probability/class1"));
  EXPECT_THAT(rows[1], ElementsAre("4", "test", "class1", "class1", "0.2689414", "0.7310586"));
  EXPECT_THAT(rows[3], ElementsAre("2", "test", "class0", "class1", "0.2689414", "0.7310586"));
}

TEST(PredictionsTest, OfNumbersAreInTheirUnitsBesideTheTargets) {
  MemoryDataset set = MemoryDataset::Table(std::vector<float>(10), 2, {0, 0, 0, 0, 0}, 1);
  set.SetTargets({"z", "a,b"}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  spec::TaskPlan plan;
  plan.kind = spec::TaskPlan::Kind::kRegression;
  plan.targets.values = {"z", "a,b"};
  TaskFacts facts;
  facts.target_mean = {0.5, 100};
  facts.target_deviation = {1, 10};
  const std::string text = Written(set, plan, facts);
  const auto rows = Rows(text);
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "id,split,target/z,\"target/a,b\",prediction/z,\"prediction/a,b\"");
  EXPECT_THAT(rows[1], ElementsAre("4", "test", "8", "9", "0.5", "110"));
}

}  // namespace
}  // namespace skytrain::training
