#include "common/grpc/status.h"

#include <gtest/gtest.h>

#include <string>

#include "common/errors.h"
#include "google/rpc/error_details.pb.h"

namespace skytrain {
namespace {

TEST(StatusTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(StatusTest, ReasonAndViolationsSurviveTheTrip) {
  const absl::Status sent = BadRequestError(
      "INVALID_EXPERIMENT", {{"train.epochs", "must be at least 1"}, {"name", "is empty"}});
  const absl::Status received = FromGrpcStatus(ToGrpcStatus(sent));
  EXPECT_EQ(received.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(received.message(), sent.message());
  EXPECT_EQ(ReasonOf(received), "INVALID_EXPERIMENT");
  ASSERT_EQ(ViolationsOf(received).size(), 2u);
  EXPECT_EQ(ViolationsOf(received)[0].field, "train.epochs");
  EXPECT_EQ(ViolationsOf(received)[1].description, "is empty");
}

TEST(StatusTest, EveryCodeKeepsItsNumber) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status sent(static_cast<absl::StatusCode>(code), "because");
    const grpc::Status wire = ToGrpcStatus(sent);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpcStatus(wire), sent);
  }
}

TEST(StatusTest, DetailsOfAnotherServerAreNotOurs) {
  const absl::Status status =
      FromGrpcStatus(grpc::Status(grpc::StatusCode::INTERNAL, "proxy", "\xff not a message"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(status.message(), "proxy");
  EXPECT_EQ(ReasonOf(status), "");
}

// Longer trailers exceed gRPC's 8 KiB of metadata, and the peer would see another error altogether.
TEST(StatusTest, LongErrorsAreCutAtACharacter) {
  std::string message;
  for (int i = 0; i < 5000; ++i) message += "é";
  const grpc::Status wire =
      ToGrpcStatus(ErrorWithReason(absl::StatusCode::kInternal, "LONG", message));
  EXPECT_LT(wire.error_message().size() + wire.error_details().size(), 7000u);
  EXPECT_EQ(wire.error_message().substr(wire.error_message().size() - 6), "é …");
  EXPECT_EQ(ReasonOf(FromGrpcStatus(wire)), "LONG");

  std::vector<FieldViolation> violations(2000, {"train.epochs", "must be at least 1"});
  const absl::Status received =
      FromGrpcStatus(ToGrpcStatus(BadRequestError("INVALID_EXPERIMENT", violations)));
  EXPECT_EQ(ReasonOf(received), "INVALID_EXPERIMENT");
}

}  // namespace
}  // namespace skytrain
