#include "client/render/lr_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace skytrain::client {
namespace {

using ::testing::HasSubstr;

TEST(LrCurve, IsDrawnOverTheLogarithmOfTheRate) {
  std::vector<std::pair<double, double>> points;
  for (int i = -6; i <= 0; ++i) points.emplace_back(std::pow(10.0, i), i < -2 ? 2.0 : 1.0);
  const std::string plot = LrPlot(points, Terminal{});
  EXPECT_THAT(plot, HasSubstr("log10(learning rate)"));
  EXPECT_THAT(plot, HasSubstr(" -6 "));
  EXPECT_THAT(plot, HasSubstr("╮"));
  EXPECT_EQ(LrPlot({}, Terminal{}), "");
}

TEST(LrCurve, LineKeepsWhatElseTheOptimizerSays) {
  v1::Optimizer optimizer;
  EXPECT_EQ(OptimizerLine(optimizer, 0.01234), "optimizer: {adamw: {lr: 0.012}}");
  optimizer.mutable_sgd()->set_lr(0.1);
  optimizer.mutable_sgd()->set_momentum(0.9);
  optimizer.mutable_sgd()->set_nesterov(true);
  optimizer.mutable_sam()->set_rho(0.05);
  EXPECT_EQ(OptimizerLine(optimizer, 3.16e-3),
            "optimizer: {sgd: {lr: 0.0032, momentum: 0.9, nesterov: true}, sam: {rho: 0.05}}");
}

TEST(LrCurve, RatesOfMuonKeepTheirRatio) {
  v1::Optimizer optimizer;
  optimizer.mutable_muon();
  EXPECT_EQ(OptimizerLine(optimizer, 0.04), "optimizer: {muon: {lr: 0.04, adamw_lr: 0.002}}");
}

TEST(LrCurve, WithoutASuggestionTheJobSaysWhy) {
  v1::Job job;
  job.mutable_termination()->set_message("no learning rate to suggest: the loss falls nowhere");
  EXPECT_THAT(SuggestionText(job), HasSubstr("falls nowhere"));
  (*job.mutable_metrics())["find_lr/suggestion"] = 0.00314;
  EXPECT_EQ(SuggestionText(job), "learning rate 0.0031");
}

}  // namespace
}  // namespace skytrain::client
