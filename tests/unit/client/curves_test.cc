#include "client/render/curves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace skytrain::client {
namespace {

using ::testing::ElementsAre;

v1::Event Point(int attempt, const std::string& name, int64_t step, uint32_t epoch, double value) {
  v1::Event event;
  event.set_attempt(attempt);
  v1::MetricBatch& batch = *event.mutable_metrics();
  batch.add_names(name);
  batch.add_name(0);
  batch.add_step(step);
  batch.add_epoch(epoch);
  batch.add_value(value);
  return event;
}

v1::Job AttemptsFrom(std::vector<int64_t> steps) {
  v1::Job job;
  for (size_t i = 0; i < steps.size(); ++i) {
    v1::Attempt& attempt = *job.add_attempts();
    attempt.set_number(static_cast<int>(i) + 1);
    attempt.set_resumed_from_step(steps[i]);
  }
  return job;
}

std::vector<double> Values(const Curves& curves, bool all_attempts) {
  std::vector<double> values;
  for (const MetricPoint& point : curves.Points("val/loss", all_attempts)) {
    values.push_back(point.value);
  }
  return values;
}

TEST(Curves, PointsThatAResumeOvertookAreHidden) {
  Curves curves;
  for (int epoch = 1; epoch <= 4; ++epoch) {
    curves.Apply(Point(1, "val/loss", epoch * 10, epoch, epoch));
  }
  for (int epoch = 3; epoch <= 5; ++epoch) {
    curves.Apply(Point(2, "val/loss", epoch * 10, epoch, 10 + epoch));
  }
  curves.SetAttempts(AttemptsFrom({0, 20}));
  EXPECT_THAT(Values(curves, false), ElementsAre(1, 2, 13, 14, 15));
  EXPECT_THAT(Values(curves, true), ElementsAre(1, 2, 3, 13, 4, 14, 15));
}

TEST(Curves, PointAtTheResumedStepComesFromTheLaterAttemptIfItMeasuredThere) {
  Curves curves;
  curves.Apply(Point(1, "val/loss", 10, 1, 1));
  curves.Apply(Point(2, "val/loss", 10, 1, 2));
  curves.SetAttempts(AttemptsFrom({0, 10}));
  EXPECT_THAT(Values(curves, false), ElementsAre(2));
}

TEST(Curves, AttemptFromTheBeginningOvertakesAllBeforeIt) {
  Curves curves;
  curves.Apply(Point(1, "val/loss", 10, 1, 1));
  curves.Apply(Point(2, "val/loss", 10, 1, 2));
  curves.Apply(Point(3, "val/loss", 20, 2, 3));
  curves.SetAttempts(AttemptsFrom({0, 0, 10}));
  EXPECT_THAT(Values(curves, false), ElementsAre(2, 3));
}

TEST(Curves, BatchWhoseColumnsDifferIsIgnored) {
  Curves curves;
  v1::Event event = Point(1, "val/loss", 10, 1, 1);
  event.mutable_metrics()->add_value(2);
  curves.Apply(event);
  event = Point(1, "val/loss", 10, 1, 1);
  event.mutable_metrics()->set_name(0, 9);
  curves.Apply(event);
  EXPECT_THAT(curves.Names(), ElementsAre());
}

TEST(Curves, FormatsOfAllKinds) {
  const SelectedCurves curves = {
      {"train/loss", {{5, 1, 1, 0.75}, {10, 1, 1, 0.5}, {20, 2, 1, NAN}}},
      {"val/accuracy", {{10, 1, 1, 0.5}}}};
  EXPECT_EQ(EpochTable(curves, Terminal{.width = 0}),
            "EPOCH  STEP  train/loss  val/accuracy\n"
            "    1    10      0.5000        0.5000\n"
            "    2    20         nan             –\n");
  EXPECT_EQ(MetricsCsv(curves),
            "name,step,epoch,attempt,value\n"
            "train/loss,5,1,1,0.75\n"
            "train/loss,10,1,1,0.5\n"
            "train/loss,20,2,1,NaN\n"
            "val/accuracy,10,1,1,0.5\n");
  EXPECT_EQ(MetricsJsonLines({{"a", {{1, 1, 2, 0.5}}}}),
            "{\"name\": \"a\", \"step\": 1, \"epoch\": 1, \"attempt\": 2, \"value\": 0.5}\n");
}

}  // namespace
}  // namespace skytrain::client
