#include "client/exit_code.h"

#include <gtest/gtest.h>

namespace skytrain::client {
namespace {

TEST(ExitCode, EachErrorHasItsCode) {
  const std::pair<absl::StatusCode, int> kCases[] = {
      {absl::StatusCode::kOk, 0},
      {absl::StatusCode::kInvalidArgument, 2},
      {absl::StatusCode::kOutOfRange, 2},
      {absl::StatusCode::kNotFound, 3},
      {absl::StatusCode::kPermissionDenied, 4},
      {absl::StatusCode::kUnauthenticated, 4},
      {absl::StatusCode::kResourceExhausted, 5},
      {absl::StatusCode::kFailedPrecondition, 6},
      {absl::StatusCode::kAlreadyExists, 6},
      {absl::StatusCode::kUnavailable, 7},
      {absl::StatusCode::kDeadlineExceeded, 7},
      {absl::StatusCode::kUnimplemented, 8},
      {absl::StatusCode::kDataLoss, 9},
      {absl::StatusCode::kCancelled, 130},
      {absl::StatusCode::kInternal, 1},
  };
  for (const auto& [code, exit] : kCases) {
    EXPECT_EQ(ExitCodeOf(absl::Status(code, "")), exit) << absl::StatusCodeToString(code);
  }
}

TEST(ExitCode, EachEndOfAJobHasItsCode) {
  EXPECT_EQ(ExitCodeOf(v1::SUCCEEDED), 0);
  EXPECT_EQ(ExitCodeOf(v1::FAILED), 1);
  EXPECT_EQ(ExitCodeOf(v1::CANCELLED), 10);
  EXPECT_EQ(ExitCodeOf(v1::RUNNING), 0);
}

}  // namespace
}  // namespace skytrain::client
