#include "server/jobs/event_fold.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

void AddPoint(v1::MetricBatch& batch, uint32_t name, int64_t step, double value) {
  batch.add_name(name);
  batch.add_step(step);
  batch.add_value(value);
  batch.add_epoch(1);
}

TEST(EventFold, KeepsTheNewestValueOfEachNameAndTheNewestStep) {
  v1::Event event;
  v1::MetricBatch& batch = *event.mutable_metrics();
  batch.add_names("train/loss");
  batch.add_names("val/accuracy");
  batch.add_names("never");
  AddPoint(batch, 0, 1, 0.9);
  AddPoint(batch, 1, 1, 0.5);
  AddPoint(batch, 0, 300, 0.8);
  AddPoint(batch, 0, 70000, 0.7);
  v1::Job job;
  FoldEvent(event.SerializeAsString(), job);
  EXPECT_EQ(job.metrics().size(), 2u);
  EXPECT_EQ(job.metrics().at("train/loss"), 0.7);
  EXPECT_EQ(job.metrics().at("val/accuracy"), 0.5);
  EXPECT_EQ(job.progress().step(), 70000);
}

TEST(EventFold, ReadsNameIndicesOfSeveralBytes) {
  v1::Event event;
  v1::MetricBatch& batch = *event.mutable_metrics();
  for (int name = 0; name < 300; ++name) batch.add_names(absl::StrCat("m", name));
  AddPoint(batch, 299, 1, 1.5);
  AddPoint(batch, 200, 2, 2.5);
  AddPoint(batch, 3, 3, 3.5);
  v1::Job job;
  FoldEvent(event.SerializeAsString(), job);
  EXPECT_EQ(job.metrics().at("m299"), 1.5);
  EXPECT_EQ(job.metrics().at("m200"), 2.5);
  EXPECT_EQ(job.metrics().at("m3"), 3.5);
}

TEST(EventFold, KeepsNanAndInfinity) {
  v1::Event event;
  event.mutable_metrics()->add_names("first");
  event.mutable_metrics()->add_names("second");
  AddPoint(*event.mutable_metrics(), 0, 1, std::nan(""));
  AddPoint(*event.mutable_metrics(), 1, 1, std::numeric_limits<double>::infinity());
  v1::Job job;
  FoldEvent(event.SerializeAsString(), job);
  EXPECT_TRUE(std::isnan(job.metrics().at("first")));
  EXPECT_TRUE(std::isinf(job.metrics().at("second")));
}

TEST(EventFold, HoldsAtMost64MetricNames) {
  v1::Event event;
  v1::MetricBatch& batch = *event.mutable_metrics();
  for (int name = 0; name < 100; ++name) {
    batch.add_names(absl::StrCat("m", name));
    AddPoint(batch, name, 1, name);
  }
  v1::Job job;
  FoldEvent(event.SerializeAsString(), job);
  EXPECT_EQ(job.metrics().size(), 64u);
}

TEST(EventFold, ProgressReplacesAllButTheStep) {
  v1::Event event;
  event.mutable_progress()->set_phase("train");
  event.mutable_progress()->set_epoch(4);
  event.mutable_progress()->set_epochs(30);
  event.mutable_progress()->set_images_per_second(346);
  v1::Job job;
  job.mutable_progress()->set_step(7);
  job.mutable_progress()->set_eta_seconds(99);
  FoldEvent(event.SerializeAsString(), job);
  EXPECT_EQ(job.progress().phase(), "train");
  EXPECT_EQ(job.progress().epoch(), 4);
  EXPECT_EQ(job.progress().step(), 7);
  EXPECT_EQ(job.progress().eta_seconds(), 0);
}

TEST(EventFold, SurvivesEveryTruncation) {
  v1::Event event;
  event.mutable_metrics()->add_names("first");
  AddPoint(*event.mutable_metrics(), 0, 1000, 1.0);
  event.mutable_metrics()->add_name(5);  // An index without a name, a column without a value.
  const std::string bytes = event.SerializeAsString();
  for (size_t size = 0; size <= bytes.size(); ++size) {
    v1::Job job;
    FoldEvent(bytes.substr(0, size), job);
    KindOf(bytes.substr(0, size));
  }
}

TEST(EventKind, IsThatOfTheOneofAndNothingForOtherBytes) {
  v1::Event event;
  event.mutable_log()->set_data("hello");
  event.mutable_time()->set_seconds(5);
  EXPECT_EQ(KindOf(event.SerializeAsString()), v1::Event::kLog);
  EXPECT_EQ(KindOf(""), v1::Event::KIND_NOT_SET);
  EXPECT_EQ(KindOf("\xff\xff\xff"), v1::Event::KIND_NOT_SET);
}

// Such an event was stored: every watch of the job broke off at it for ever, and the job itself,
// with that name among its metrics, could not be read at the next start.
TEST(EventKind, IsNothingForWhatAClientCouldNotRead) {
  v1::Event event;
  event.mutable_time()->set_seconds(5);
  event.mutable_metrics()->add_names("loss");
  AddPoint(*event.mutable_metrics(), 0, 1, 0.5);
  const std::string good = event.SerializeAsString();
  ASSERT_EQ(KindOf(good), v1::Event::kMetrics);
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char byte : {'\0', '\1', '\x7f', '\x80', '\xff'}) {
      std::string changed = good;
      changed[i] = byte;
      if (KindOf(changed) == v1::Event::KIND_NOT_SET) continue;
      EXPECT_TRUE(event.ParseFromString(changed)) << "byte " << i << " as " << int{byte};
    }
  }
  event.Clear();
  event.mutable_log()->set_data("hello");
  EXPECT_EQ(KindOf(event.SerializeAsString() + good), v1::Event::kMetrics) << "the last one counts";
  EXPECT_EQ(KindOf("\x5a\x02\x08\x80"), v1::Event::KIND_NOT_SET) << "a log that is cut short";
}

TEST(EventFold, FilesAreThoseOfTheNewestAttempt) {
  v1::Job job;
  job.set_name("jobs/predict-1");
  v1::Event event;
  event.mutable_files()->add_files()->set_name("predictions.csv");
  FoldEvent(event.SerializeAsString(), job);
  event.clear_files();
  for (const char* name : {"predictions.parquet", "mistakes.png", "", ".hidden", "../etc", "a/b"}) {
    v1::JobFile& file = *event.mutable_files()->add_files();
    file.set_name(name);
    file.set_blob("models/somebody/versions/1/files/x");
    file.set_size_bytes(7);
  }
  const std::string bytes = event.SerializeAsString();
  EXPECT_EQ(KindOf(bytes), v1::Event::kFiles);
  FoldEvent(bytes, job);
  ASSERT_EQ(job.files_size(), 2);
  EXPECT_EQ(job.files(0).blob(), "jobs/predict-1/files/predictions.parquet");
  EXPECT_EQ(job.files(0).size_bytes(), 7);
  EXPECT_EQ(job.files(1).name(), "mistakes.png");
  for (int i = 0; i < 30; ++i) event.mutable_files()->add_files()->set_name("x");
  FoldEvent(event.SerializeAsString(), job);
  EXPECT_EQ(job.files_size(), 16);
}

TEST(EventFold, LongNamesStayOutOfTheJob) {
  v1::Event event;
  event.mutable_metrics()->add_names(std::string(257, 'm'));
  event.mutable_metrics()->add_names(std::string(256, 'm'));
  AddPoint(*event.mutable_metrics(), 0, 1, 0.5);
  AddPoint(*event.mutable_metrics(), 1, 1, 0.5);
  v1::Job job;
  FoldEvent(event.SerializeAsString(), job);
  EXPECT_EQ(job.metrics().size(), 1u);
}

}  // namespace
}  // namespace skytrain
