#include "server/training/loop/predictions.h"

#include <limits>
#include <memory>
#include <optional>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/digest/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "memory_dataset.h"
#include "nlohmann/json.hpp"
#include "server/data/parquet/parquet.h"
#include "server/training/models/factory.h"
#include "server/training/tasks/regression.h"
#include "tests/support/temp_dir.h"

namespace skytrain::training {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using ::testing::StartsWith;

const c10::Device kCpu(c10::kCPU);

// Columns of rows of cells that need no quotes.
std::vector<std::vector<std::string>> Rows(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    rows.push_back(absl::StrSplit(line, ','));
  }
  return rows;
}

// The second output of a linear model of two inputs is 1, the others are 0.
std::unique_ptr<Model> ModelOfOne(const Task& task) {
  spec::ModelPlan linear;
  linear.family = spec::ModelPlan::Family::kMlp;
  auto model = MakeModel(linear, task.outputs(), 2, 0);
  (*model)->Prepare(kCpu);
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : (*model)->parameters()) parameter.tensor.zero_();
  for (const Parameter& parameter : (*model)->parameters()) {
    if (parameter.tensor.dim() == 1) parameter.tensor[1] = 1.0;
  }
  return *std::move(model);
}

class PredictionsTest : public ::testing::Test {
 protected:
  // The file that samples 4, 0 and 2 give, in batches of two.
  std::string Written(const MemoryDataset& set, const spec::TaskPlan& plan, TaskFacts facts,
                      data::TableFormat format = data::TableFormat::kCsv,
                      PredictOptions options = {}) {
    const BatchSource source(set, 0, {{0, 0}, {1, 1}}, kCpu);
    const auto task = MakeTask(plan, std::move(facts), kCpu);
    EXPECT_TRUE(task.ok()) << task.status();
    const std::unique_ptr<Model> model = ModelOfOne(**task);
    Predictor predictor({{*model, **task, source.normalisation()}}, options);
    path_ = dir_.File(absl::StrCat("p.", data::SuffixOf(format)));
    auto table = PredictionTable::Create(FileSystem::Posix(), path_, format, set, predictor);
    EXPECT_TRUE(table.ok()) << table.status();
    BatchOrder order;
    order.samples = {4, 0, 2};
    order.batch_size = 2;
    const std::vector<int64_t> samples = order.samples;
    BatchStream stream(source, std::move(order));
    int64_t done = 0;
    while (const std::optional<Batch> batch = stream.Next()) {
      const int64_t count = batch->labels.size(0);
      const absl::Status added =
          (*table)->Add("test", absl::MakeConstSpan(samples).subspan(done, count),
                        predictor.Predict(batch->input, done));
      EXPECT_TRUE(added.ok()) << added;
      done += count;
    }
    const auto digest = (*table)->Finish();
    EXPECT_TRUE(digest.ok()) << digest.status();
    const std::string text = *FileSystem::Posix().ReadFile(path_, 1 << 20);
    EXPECT_EQ(digest->sha256, Sha256Hex(text));
    EXPECT_EQ(digest->size_bytes, static_cast<int64_t>(text.size()));
    return text;
  }

  // Five samples of two classes.
  static MemoryDataset TwoClasses() {
    return MemoryDataset::Table({0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 2, {0, 1, 0, 1, 1}, 2);
  }
  static TaskFacts ClassFacts() {
    TaskFacts facts;
    facts.classes = {"class0", "class1"};
    return facts;
  }

  const TempDir dir_;
  std::string path_;
};

TEST_F(PredictionsTest, NameClassesAndTheirProbabilities) {
  const auto rows = Rows(Written(TwoClasses(), {}, ClassFacts()));
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_THAT(rows[0], ElementsAre("id", "split", "label", "prediction", "uncertainty",
                                   "probability/class0", "probability/class1"));
  EXPECT_THAT(rows[1], ElementsAre("4", "test", "class1", "class1", StartsWith("0.83994"),
                                   "0.2689414", "0.7310586"));
  EXPECT_THAT(rows[3], ElementsAre("2", "test", "class0", "class1", StartsWith("0.83994"),
                                   "0.2689414", "0.7310586"));
}

TEST_F(PredictionsTest, OfNumbersAreInTheirUnitsBesideTheTargets) {
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

TEST_F(PredictionsTest, PositionsAreThoseOfTheCatalog) {
  MemoryDataset set = TwoClasses();
  set.SetPositions({10, -1, 11, -2, 187.70593076, 12.39112325, 13, -4,
                    std::numeric_limits<double>::quiet_NaN(), 5});
  const auto rows = Rows(Written(set, {}, ClassFacts()));
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_THAT(std::vector<std::string>(rows[0].begin(), rows[0].begin() + 4),
              ElementsAre("id", "split", "ra", "dec"));
  EXPECT_THAT(std::vector<std::string>(rows[1].begin() + 2, rows[1].begin() + 4),
              ElementsAre("", "5"));
  EXPECT_DOUBLE_EQ(std::stod(rows[3][2]), 187.70593076);
  EXPECT_DOUBLE_EQ(std::stod(rows[3][3]), 12.39112325);
}

TEST_F(PredictionsTest, ParquetHoldsWhatCsvHolds) {
  MemoryDataset set = TwoClasses();
  set.SetPositions({10, -1, 11, -2, 12.25, -3, 13, -4, 14, -5});
  const auto rows = Rows(Written(set, {}, ClassFacts()));
  Written(set, {}, ClassFacts(), data::TableFormat::kParquet);
  const auto file = data::OpenParquet(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ((*file)->rows(), 3);
  ASSERT_EQ((*file)->columns().size(), rows[0].size());
  for (size_t c = 0; c < rows[0].size(); ++c) {
    EXPECT_EQ((*file)->columns()[c].name, rows[0][c]);
    std::vector<std::string> cells;
    ASSERT_EQ((*file)->ReadCells(static_cast<int>(c), cells), "");
    ASSERT_THAT(cells, SizeIs(3));
    for (size_t r = 0; r < 3; ++r) {
      double number = 0;
      if (absl::SimpleAtod(rows[r + 1][c], &number)) {
        EXPECT_NEAR(std::stod(cells[r]), number, 1e-6) << rows[0][c];
      } else {
        EXPECT_EQ(cells[r], rows[r + 1][c]) << rows[0][c];
      }
    }
  }
}

// As of a job that is cancelled.
TEST_F(PredictionsTest, TableThatIsDroppedIsNoParquetFile) {
  const MemoryDataset set = TwoClasses();
  const BatchSource source(set, 0, {{0, 0}, {1, 1}}, kCpu);
  const auto task = MakeTask({}, ClassFacts(), kCpu);
  ASSERT_TRUE(task.ok()) << task.status();
  const std::unique_ptr<Model> model = ModelOfOne(**task);
  const Predictor predictor({{*model, **task, source.normalisation()}}, {});
  const std::string path = dir_.File("dropped.parquet");
  auto table = PredictionTable::Create(FileSystem::Posix(), path, data::TableFormat::kParquet, set,
                                       predictor);
  ASSERT_TRUE(table.ok()) << table.status();
  table->reset();
  EXPECT_FALSE(data::OpenParquet(path).ok());
}

TEST_F(PredictionsTest, JsonLinesAreAnObjectEach) {
  const std::string text = Written(TwoClasses(), {}, ClassFacts(), data::TableFormat::kJsonLines);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  ASSERT_THAT(lines, SizeIs(3));
  const auto row = nlohmann::json::parse(lines[2]);
  EXPECT_EQ(row["id"], "2");
  EXPECT_EQ(row["label"], "class0");
  EXPECT_EQ(row["prediction"], "class1");
  EXPECT_NEAR(row["probability/class1"].get<double>(), 0.7310586, 1e-7);
}

// A linear model's last layer sees the inputs.
TEST_F(PredictionsTest, FeaturesAreInputsOfTheLastLayer) {
  const auto rows =
      Rows(Written(TwoClasses(), {}, ClassFacts(), data::TableFormat::kCsv, {.features = true}));
  ASSERT_THAT(rows, SizeIs(4));
  ASSERT_THAT(rows[0], SizeIs(9));
  EXPECT_EQ(rows[0][7], "features/0");
  EXPECT_EQ(rows[0][8], "features/1");
  EXPECT_THAT(std::vector<std::string>(rows[1].begin() + 7, rows[1].end()), ElementsAre("7", "8"));
  EXPECT_THAT(std::vector<std::string>(rows[3].begin() + 7, rows[3].end()), ElementsAre("3", "4"));
}

}  // namespace
}  // namespace skytrain::training
