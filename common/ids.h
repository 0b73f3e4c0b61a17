#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace skytrain {

// "jobs/{job}" <-> "{job}". ParseJobName also takes the bare id. INVALID_ARGUMENT (BAD_NAME).
std::string JobName(absl::string_view job_id);
absl::StatusOr<std::string> ParseJobName(absl::string_view name);

// [a-z0-9-]{3,63}, no hyphen at either end. INVALID_ARGUMENT (BAD_NAME), saying what is wrong.
absl::Status ValidateJobId(absl::string_view id);

// "models/{model}/versions/{version}", "models/{model}/aliases/{alias}" or "models/{model}".
struct ModelName {
  std::string model;
  int version = 0;    // 0: the newest, or the alias's.
  std::string alias;  // Only without a version.
  std::string ToString() const;
};
// Takes what ToString gives, and the short forms "M@N", "M@ALIAS" and "M". INVALID_ARGUMENT
// (BAD_NAME).
absl::StatusOr<ModelName> ParseModelName(absl::string_view name);
// [a-z][a-z0-9-_]{0,62}: never a number. INVALID_ARGUMENT (BAD_NAME), saying what is wrong.
absl::Status ValidateModelAlias(absl::string_view alias);

// "datasets/{dataset}" <-> "{dataset}": parts of [a-z0-9-_] that begin with a letter or digit,
// joined by '/', 100 characters at most; the first is no kind of resource ("blobs").
// ParseDatasetName also takes the bare name. INVALID_ARGUMENT (BAD_NAME), saying what is wrong.
std::string DatasetName(absl::string_view dataset);
absl::StatusOr<std::string> ParseDatasetName(absl::string_view name);

// "blobs/{sha256}" <-> "{sha256}", 64 lower-case hexadecimal digits. INVALID_ARGUMENT (BAD_NAME).
std::string BlobName(absl::string_view sha256);
absl::StatusOr<std::string> ParseBlobName(absl::string_view name);

// `length` random characters of a-z2-7 from the kernel's generator.
std::string RandomSuffix(int length);
// A new uid: 26 characters, sortable by creation time (milliseconds, then 80 random bits; Crockford
// base 32).
std::string NewUid();

}  // namespace skytrain
