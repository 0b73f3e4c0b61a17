// QueryMetrics of a real daemon about a job that measured many points.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/grpc/status.h"
#include "tests/integration/daemon.h"

namespace skytrain {
namespace {

constexpr int64_t kPoints = 400'000;
constexpr int64_t kCurves = 4;  // fake/0 … fake/3: point i is i, in turn.
constexpr int64_t kSteps = kPoints / kCurves;

class CurveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = daemon_.Start();
    ASSERT_TRUE(started.ok()) << started;
    client_ = std::make_unique<JobClient>(daemon_.Connect());
    const auto job = client_->Create({{"points", absl::StrCat(kPoints)}, {"steps", "1"}}, "long");
    ASSERT_TRUE(job.ok()) << job.status();
    const auto over = client_->Wait(job->name());
    ASSERT_TRUE(over.ok()) << over.status();
    ASSERT_EQ(over->state(), v1::SUCCEEDED);
  }

  v1::QueryMetricsResponse Query(v1::QueryMetricsRequest request) {
    request.set_name("jobs/long");
    for (int64_t i = 0; i < kCurves; ++i) request.add_names(absl::StrCat("fake/", i));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::QueryMetricsResponse response;
    const auto status = FromGrpcStatus(client_->stub().QueryMetrics(&context, request, &response));
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(response.curves_size(), kCurves);
    return response;
  }

  Daemon daemon_;
  std::unique_ptr<JobClient> client_;
};

TEST_F(CurveTest, LongCurvesAreCutButCountedWholeAndKeepTheirEnds) {
  v1::QueryMetricsRequest request;
  request.set_max_points(500);
  const v1::QueryMetricsResponse response = Query(request);
  for (const v1::MetricCurve& curve : response.curves()) {
    EXPECT_EQ(curve.points(), kSteps) << curve.metric();
    EXPECT_LE(curve.value_size(), 500);
    EXPECT_GE(curve.value_size(), 400);
    EXPECT_EQ(curve.step(0), 0);
    EXPECT_EQ(curve.step(curve.step_size() - 1), kSteps - 1);
    EXPECT_TRUE(std::is_sorted(curve.step().begin(), curve.step().end()));
  }
}

TEST_F(CurveTest, ARangeOfStepsComesWhole) {
  v1::QueryMetricsRequest request;
  request.set_first_step(70'000);
  request.set_last_step(74'999);
  const v1::QueryMetricsResponse response = Query(request);
  for (int64_t i = 0; const v1::MetricCurve& curve : response.curves()) {
    ASSERT_EQ(curve.value_size(), 5'000);
    EXPECT_EQ(curve.points(), 5'000);
    for (int64_t at = 0; at < 5'000; ++at) {
      ASSERT_EQ(curve.step(at), 70'000 + at);
      ASSERT_EQ(curve.value(at), (70'000 + at) * kCurves + i);
    }
    ++i;
  }
}

TEST_F(CurveTest, DefaultGivesTenThousandPointsOfEachCurve) {
  const v1::QueryMetricsResponse response = Query({});
  for (const v1::MetricCurve& curve : response.curves()) {
    EXPECT_LE(curve.value_size(), 10'000) << curve.metric();
    EXPECT_GE(curve.value_size(), 9'000) << curve.metric();
  }
}

}  // namespace
}  // namespace skytrain
