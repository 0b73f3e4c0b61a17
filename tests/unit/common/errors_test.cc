#include "common/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skytrain {
namespace {

TEST(ErrorsTest, ReasonTravelsWithTheStatus) {
  const absl::Status status =
      ErrorWithReason(absl::StatusCode::kNotFound, "JOB_NOT_FOUND", "no job 'x'");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(status), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonOf(absl::NotFoundError("no job 'x'")), "");
}

TEST(ErrorsTest, BadRequestKeepsEveryViolation) {
  const absl::Status status = BadRequestError(
      "INVALID_EXPERIMENT", {{"train.epochs", "must be at least 1"}, {"model", "is required"}});
  EXPECT_EQ(status.message(), "train.epochs: must be at least 1\nmodel: is required");
  ASSERT_EQ(ViolationsOf(status).size(), 2u);
  EXPECT_EQ(ViolationsOf(status)[1].field, "model");
}

TEST(ErrorsTest, PreconditionErrorKeepsWhatStandsInTheWay) {
  const absl::Status status = PreconditionError("JOB_FINISHED", "job 'x' is over",
                                                {{"JOB_STATE", "jobs/x", "it is SUCCEEDED"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "JOB_FINISHED");
  ASSERT_EQ(PreconditionsOf(status).size(), 1u);
  EXPECT_EQ(PreconditionsOf(status)[0].type, "JOB_STATE");
  EXPECT_EQ(PreconditionsOf(status)[0].subject, "jobs/x");
  EXPECT_EQ(PreconditionsOf(status)[0].description, "it is SUCCEEDED");
  EXPECT_TRUE(PreconditionsOf(absl::InternalError("x")).empty());
}

TEST(ErrorsTest, RetryDelayIsAddedToAnyErrorAndNeverNegative) {
  const absl::Status error = ErrorWithReason(absl::StatusCode::kUnavailable, "DRAINING", "soon");
  EXPECT_EQ(RetryDelayOf(error), std::nullopt);
  for (const absl::Duration delay :
       {absl::ZeroDuration(), absl::Milliseconds(1500), absl::Minutes(2)}) {
    const absl::Status status = WithRetryDelay(error, delay);
    EXPECT_EQ(RetryDelayOf(status), delay);
    EXPECT_EQ(ReasonOf(status), "DRAINING");
  }
  EXPECT_EQ(RetryDelayOf(WithRetryDelay(error, -absl::Seconds(3))), absl::ZeroDuration());
}

TEST(ErrorsTest, NearestNameForgivesTyposButNotOtherWords) {
  const std::vector<std::string> keys = {"batch_size", "epochs", "seed"};
  EXPECT_EQ(NearestName("batchsize", keys), "batch_size");
  EXPECT_EQ(NearestName("epoch", keys), "epochs");
  EXPECT_EQ(NearestName("momentum", keys), "");
}

}  // namespace
}  // namespace skytrain
