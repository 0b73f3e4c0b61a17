#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace skytrain {

// Errors that a client can see carry, besides code and message, a stable reason
// (google.rpc.ErrorInfo.reason) and, where it helps, the wrong fields of a request, what stands in
// its way, or when to try again. All travel as payloads of absl::Status, so that every layer can
// pass them on untouched; common/grpc/ puts them on the wire and takes them off it.

struct FieldViolation {
  std::string field;  // Path, "train.epochs".
  std::string description;
};

// What stands in the way of a call.
struct PreconditionViolation {
  std::string type;     // UPPER_SNAKE_CASE, "JOB_STATE".
  std::string subject;  // Resource name, "jobs/x".
  std::string description;
};

// A status with `reason` (UPPER_SNAKE_CASE). `message` says what is wrong, where, and what to do.
absl::Status ErrorWithReason(absl::StatusCode code, absl::string_view reason,
                             absl::string_view message);

// INVALID_ARGUMENT with one line per violation in the message.
absl::Status BadRequestError(absl::string_view reason, std::vector<FieldViolation> violations);

// FAILED_PRECONDITION with what stands in the way (google.rpc.PreconditionFailure).
absl::Status PreconditionError(absl::string_view reason, absl::string_view message,
                               std::vector<PreconditionViolation> violations);

// The same error with the advice to try again after `delay` (google.rpc.RetryInfo).
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// The reason of an error made by one of the functions above; empty for any other status.
std::string ReasonOf(const absl::Status& status);
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);
std::vector<PreconditionViolation> PreconditionsOf(const absl::Status& status);
// Never negative. None: the error says nothing about trying again.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

// The nearest of `candidates` to a mistyped `word` by edit distance; empty when none is near.
std::string NearestName(absl::string_view word, const std::vector<std::string>& candidates);

}  // namespace skytrain
