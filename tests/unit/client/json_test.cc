#include "client/render/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "client/render/report.h"

namespace skytrain::client {
namespace {

v1::Event At(int64_t seq) {
  v1::Event event;
  event.set_seq(seq);
  event.set_attempt(1);
  event.mutable_time()->set_seconds(1'700'000'000);
  event.mutable_time()->set_nanos(250'000'000);
  return event;
}

std::string Line(const v1::Event& event) {
  JsonWriter json(/*pretty=*/false);
  WriteEvent(event, json);
  return json.Finish();
}

TEST(EventJson, MetricsAreAListOfPoints) {
  v1::Event event = At(7);
  v1::MetricBatch& batch = *event.mutable_metrics();
  batch.add_names("train/loss");
  for (const double value : {0.5, std::nan(""), -HUGE_VAL}) {
    batch.add_name(0);
    batch.add_step(3);
    batch.add_epoch(1);
    batch.add_value(value);
  }
  EXPECT_EQ(Line(event),
            R"({"seq": 7, "attempt": 1, "time": "2023-11-14T22:13:20.25Z", "metrics": [)"
            R"({"name": "train/loss", "step": 3, "epoch": 1, "value": 0.5}, )"
            R"({"name": "train/loss", "step": 3, "epoch": 1, "value": "NaN"}, )"
            R"({"name": "train/loss", "step": 3, "epoch": 1, "value": "-Infinity"}]})"
            "\n");
}

TEST(EventJson, LogBytesAreTextWithWhatIsNotReplaced) {
  v1::Event event = At(1);
  event.mutable_log()->set_rank(-1);
  event.mutable_log()->set_stream(v1::LogChunk::STREAM_STDERR);
  event.mutable_log()->set_data("a\"\xff\x01\n");
  EXPECT_EQ(Line(event),
            "{\"seq\": 1, \"attempt\": 1, \"time\": \"2023-11-14T22:13:20.25Z\", \"log\": "
            "{\"rank\": -1, \"stream\": \"stderr\", \"data\": \"a\\\"\xef\xbf\xbd\\u0001\\n\"}}\n");
}

TEST(EventJson, StatesAndEndsHaveTheirNames) {
  v1::Event event = At(2);
  event.mutable_state()->set_from(v1::RUNNING);
  event.mutable_state()->set_to(v1::FAILED);
  event.mutable_state()->set_attempt_end(v1::NON_FINITE_LOSS);
  EXPECT_EQ(Line(event), R"({"seq": 2, "attempt": 1, "time": "2023-11-14T22:13:20.25Z", "state": )"
                         R"({"from": "RUNNING", "to": "FAILED", "attempt_end": "NON_FINITE_LOSS"}})"
                         "\n");
}

TEST(JobJson, NumbersAreThereAlsoWhenZeroAndExperimentsShowWhatWasSet) {
  v1::Job job;
  job.set_name("jobs/a");
  job.set_state(v1::RUNNING);
  job.mutable_experiment()->mutable_train()->set_epochs(3);
  job.mutable_experiment()->mutable_train()->set_precision(v1::PRECISION_FP32);
  job.add_attempts()->set_number(1);
  (*job.mutable_metrics())["val/loss"] = 0.25;
  (*job.mutable_metrics())["train/loss"] = 1;
  JsonWriter json(/*pretty=*/false);
  WriteJob(job, json);
  EXPECT_EQ(json.Finish(),
            R"({"name": "a", "experiment": {"train": {"epochs": 3, "precision": "fp32"}}, )"
            R"("state": "RUNNING", "attempts": [{"number": 1, "resumed_from_step": 0, )"
            R"("devices": []}], "last_seq": 0, "metrics": {"train/loss": 1, "val/loss": 0.25}, )"
            R"("queue_position": 0, "files": []})"
            "\n");
}

TEST(ReportJson, ConfusionMatrixIsSquare) {
  v1::EvaluationReport report;
  report.set_split("test");
  report.set_count(10);
  report.set_accuracy(0.9);
  for (const char* name : {"spiral", "round"}) report.add_classes(name);
  for (const int count : {4, 1, 0, 5}) report.add_confusion_matrix(count);
  report.add_recall(0.8);
  report.add_recall(1);
  JsonWriter json(/*pretty=*/false);
  WriteReport(report, json);
  EXPECT_EQ(json.Finish(),
            R"({"split": "test", "count": 10, "loss": 0, "accuracy": 0.9, "balanced_accuracy": 0, )"
            R"("classes": ["spiral", "round"], "recall": [0.8, 1], )"
            R"("confusion_matrix": [[4, 1], [0, 5]]})"
            "\n");
}

TEST(ReportJson, TaskWithoutClassesHasItsMeasures) {
  v1::EvaluationReport report;
  report.set_task("regression");
  report.set_split("test");
  report.set_count(54);
  report.set_loss(0.25);
  for (const auto& [name, value] : {std::pair{"rmse", 6.5}, std::pair{"r2", std::nan("")}}) {
    auto* measure = report.add_measures();
    measure->set_name(name);
    measure->set_value(value);
  }
  JsonWriter json(/*pretty=*/false);
  WriteReport(report, json);
  EXPECT_EQ(json.Finish(), R"({"split": "test", "count": 54, "loss": 0.25, "task": "regression", )"
                           R"("measures": {"rmse": 6.5, "r2": "NaN"}})"
                           "\n");
  EXPECT_EQ(ReportLine(report), "test rmse 6.5  r2 nan  loss 0.25  (54 samples)");
}

TEST(JsonWriter, PrettyDocumentIsIndented) {
  JsonWriter json(/*pretty=*/true);
  json.BeginObject();
  json.Key("jobs");
  json.BeginList();
  json.EndList();
  json.Key("n");
  json.Number(int64_t{587722952230174735});
  json.EndObject();
  EXPECT_EQ(json.Finish(), "{\n  \"jobs\": [],\n  \"n\": 587722952230174735\n}\n");
}

TEST(JsonWriter, NumbersReadBackAsThemselves) {
  for (const double value : {0.1, 1.0 / 3, 1e-300, 123456789.125}) {
    EXPECT_EQ(std::stod(ShortestNumber(value)), value);
  }
  EXPECT_EQ(ShortestNumber(0.1), "0.1");
}

}  // namespace
}  // namespace skytrain::client
