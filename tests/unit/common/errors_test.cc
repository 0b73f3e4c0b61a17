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

TEST(ErrorsTest, NearestNameForgivesTyposButNotOtherWords) {
  const std::vector<std::string> keys = {"batch_size", "epochs", "seed"};
  EXPECT_EQ(NearestName("batchsize", keys), "batch_size");
  EXPECT_EQ(NearestName("epoch", keys), "epochs");
  EXPECT_EQ(NearestName("momentum", keys), "");
}

}  // namespace
}  // namespace skytrain
