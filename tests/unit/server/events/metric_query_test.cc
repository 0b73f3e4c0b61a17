// Curves from stored events: what is kept of long ones, and what a resume hides.
#include "server/events/metric_query.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/events/event_batch_builder.h"
#include "server/store/event_rows.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr double kInf = std::numeric_limits<double>::infinity();

class MetricQueryTest : public ::testing::Test {
 protected:
  MetricQueryTest() {
    Database::Options options;
    options.path = dir_.File("test.db");
    database_ = *Database::Open(options);
    log_ = std::make_unique<EventLog>(*database_);
    events_.Reset(1);
  }

  // An event with the values of one metric at the steps from `step` on.
  void Measure(const std::string& name, int attempt, int64_t step, std::vector<double> values) {
    v1::Event event;
    v1::MetricBatch& batch = *event.mutable_metrics();
    batch.add_names(name);
    for (const double value : values) {
      batch.add_name(0);
      batch.add_step(step++);
      batch.add_epoch(1);
      batch.add_value(value);
    }
    events_.Append(event.SerializeAsString(), attempt);
  }

  // Stores what was measured so far.
  void Store() {
    ASSERT_TRUE(database_
                    ->Write(Database::Priority::kBulk,
                            [&](Connection& connection) {
                              absl::Status status;
                              for (const auto& batch : events_.batches()) {
                                status.Update(InsertBatch(connection, "job", batch.first_seq,
                                                          batch.count, MaskCrc(Crc32c(batch.bytes)),
                                                          batch.bytes));
                              }
                              return status;
                            })
                    .ok());
    last_seq_ = events_.next_seq() - 1;
    events_.Reset(last_seq_ + 1);
  }

  v1::QueryMetricsResponse Ask(MetricQuery query) {
    query.job_uid = "job";
    query.last_seq = last_seq_;
    const auto response = QueryMetrics(*log_, query);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::QueryMetricsResponse();
  }

  // The one curve of the answer.
  v1::MetricCurve AskForOne(const MetricQuery& query) {
    const v1::QueryMetricsResponse response = Ask(query);
    EXPECT_EQ(response.curves_size(), 1);
    return response.curves_size() == 1 ? response.curves(0) : v1::MetricCurve();
  }

  TempDir dir_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<EventLog> log_;
  EventBatchBuilder events_;
  int64_t last_seq_ = 0;
};

std::vector<std::pair<int, int64_t>> AttemptsAndSteps(const v1::MetricCurve& curve) {
  std::vector<std::pair<int, int64_t>> points;
  for (int i = 0; i < curve.step_size(); ++i) {
    points.emplace_back(curve.attempt(i), curve.step(i));
  }
  return points;
}

TEST_F(MetricQueryTest, ShortCurvesComeWhole) {
  Measure("b", 1, 1, {1, 2});
  Measure("a", 1, 1, {7});
  Store();
  const v1::QueryMetricsResponse response = Ask({});
  ASSERT_EQ(response.curves_size(), 2);
  EXPECT_EQ(response.last_seq(), 2);
  EXPECT_EQ(response.curves(0).metric(), "a");
  EXPECT_EQ(response.curves(1).metric(), "b");
  EXPECT_THAT(response.curves(1).step(), ElementsAre(1, 2));
  EXPECT_THAT(response.curves(1).value(), ElementsAre(1, 2));
  EXPECT_THAT(response.curves(1).epoch(), ElementsAre(1, 1));
  EXPECT_EQ(response.curves(1).points(), 2);
}

TEST_F(MetricQueryTest, JobWithoutMetricsHasNoCurves) { EXPECT_THAT(Ask({}).curves(), IsEmpty()); }

TEST_F(MetricQueryTest, NamesAndStepsSelect) {
  Measure("a", 1, 1, {1, 2, 3, 4, 5});
  Measure("b", 1, 1, {1});
  Store();
  MetricQuery query;
  query.names = {"a"};
  query.first_step = 2;
  query.last_step = 4;
  EXPECT_THAT(AskForOne(query).step(), ElementsAre(2, 3, 4));
}

TEST_F(MetricQueryTest, NoSpikeOfALongCurveIsLost) {
  constexpr int64_t kPoints = 200'000;
  std::vector<double> values;
  for (int64_t i = 0; i < kPoints; ++i) values.push_back(std::sin(0.001 * static_cast<double>(i)));
  values[77'777] = 99;
  values[123'456] = -99;
  for (int64_t i = 0; i < kPoints; i += 4000) {
    Measure("loss", 1, i, {values.begin() + i, values.begin() + i + 4000});
  }
  Store();
  MetricQuery query;
  query.max_points = 100;
  const v1::MetricCurve curve = AskForOne(query);
  EXPECT_EQ(curve.points(), kPoints);
  EXPECT_LE(curve.value_size(), 100);
  EXPECT_GE(curve.value_size(), 90);
  EXPECT_THAT(curve.value(), ::testing::Contains(99));
  EXPECT_THAT(curve.value(), ::testing::Contains(-99));
  for (int i = 0; i < curve.step_size(); ++i) {
    EXPECT_EQ(curve.value(i), values[static_cast<size_t>(curve.step(i))]);
    if (i > 0) {
      EXPECT_LT(curve.step(i - 1), curve.step(i));
    }
  }
}

TEST_F(MetricQueryTest, ValuesThatAreNotFiniteSurviveDownsampling) {
  std::vector<double> values(30'000, 1.0);
  values[10'000] = std::nan("");
  values[20'000] = -kInf;
  for (size_t i = 0; i < values.size(); i += 3000) {
    Measure("loss", 1, static_cast<int64_t>(i),
            {values.begin() + static_cast<int64_t>(i),
             values.begin() + static_cast<int64_t>(i) + 3000});
  }
  Store();
  MetricQuery query;
  query.max_points = 60;
  const v1::MetricCurve curve = AskForOne(query);
  EXPECT_LE(curve.value_size(), 60);
  int nans = 0, infinities = 0;
  for (const double value : curve.value()) {
    nans += std::isnan(value);
    infinities += value == -kInf;
  }
  EXPECT_EQ(nans, 1);
  EXPECT_EQ(infinities, 1);
}

TEST_F(MetricQueryTest, AnswerFitsAMessageHoweverManyLongCurves) {
  for (int curve = 0; curve < 60; ++curve) {
    for (int64_t step = 0; step < 8000; step += 2000) {
      std::vector<double> values;
      for (int i = 0; i < 2000; ++i) values.push_back(i * 0.37);
      Measure(absl::StrCat("class/", curve), 1, step, values);
    }
  }
  Store();
  const v1::QueryMetricsResponse response = Ask({});
  EXPECT_EQ(response.curves_size(), 60);
  EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
}

// Attempt 1 measured the steps 1 to 6; attempt 2 resumed from 3.
struct OvertakenCase {
  const char* name;
  int64_t second_begins_with;  // The first step that attempt 2 measured; 0: it measured nothing.
  bool all_attempts;
  std::vector<std::pair<int, int64_t>> shown;
};

class OvertakenTest : public MetricQueryTest,
                      public ::testing::WithParamInterface<OvertakenCase> {};

TEST_P(OvertakenTest, PointsThatAResumeOvertookAreHidden) {
  Measure("loss", 1, 1, {1, 2, 3, 4, 5, 6});
  if (GetParam().second_begins_with > 0) Measure("loss", 2, GetParam().second_begins_with, {7, 8});
  Store();
  MetricQuery query;
  query.began_at = {{2, 3}};
  query.all_attempts = GetParam().all_attempts;
  EXPECT_EQ(AttemptsAndSteps(AskForOne(query)), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    All, OvertakenTest,
    ::testing::Values(OvertakenCase{"Beyond", 4, false, {{1, 1}, {1, 2}, {1, 3}, {2, 4}, {2, 5}}},
                      OvertakenCase{"AtTheStepItself", 3, false, {{1, 1}, {1, 2}, {2, 3}, {2, 4}}},
                      OvertakenCase{"NotByAnAttemptWithoutPoints",
                                    0,
                                    false,
                                    {{1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {1, 6}}},
                      OvertakenCase{
                          "ShownOnRequest",
                          4,
                          true,
                          {{1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}, {1, 6}, {2, 4}, {2, 5}}}),
    [](const auto& info) { return info.param.name; });

TEST(MetricQueryOfTest, RefusesRangesThatMakeNoSense) {
  std::vector<v1::QueryMetricsRequest> requests(3);
  requests[0].set_max_points(-1);
  requests[1].set_first_step(-1);
  requests[2].set_first_step(5);
  requests[2].set_last_step(4);
  for (const v1::QueryMetricsRequest& request : requests) {
    EXPECT_EQ(ReasonOf(MetricQuery::Of(request, v1::Job()).status()), "BAD_RANGE")
        << request.ShortDebugString();
  }
}

}  // namespace
}  // namespace skytrain
