#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the calling function when `expr`, an absl::Status, is not OK.
#define RETURN_IF_ERROR(expr)                                               \
  do {                                                                      \
    if (absl::Status status_macro_value = (expr); !status_macro_value.ok()) \
      return status_macro_value;                                            \
  } while (false)

// Assigns the value of `rexpr`, an absl::StatusOr, to `lhs`, or returns its status from the calling
// function.
#define ASSIGN_OR_RETURN(lhs, rexpr) \
  SKYTRAIN_ASSIGN_OR_RETURN_(SKYTRAIN_CONCAT_(status_or_value_, __LINE__), lhs, rexpr)

#define SKYTRAIN_ASSIGN_OR_RETURN_(statusor, lhs, rexpr)   \
  auto statusor = (rexpr);                                 \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = *std::move(statusor)

#define SKYTRAIN_CONCAT_(a, b) SKYTRAIN_CONCAT_INNER_(a, b)
#define SKYTRAIN_CONCAT_INNER_(a, b) a##b
