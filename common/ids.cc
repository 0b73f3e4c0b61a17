#include "common/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr absl::string_view kJobs = "jobs/";
constexpr absl::string_view kModels = "models/";
constexpr absl::string_view kVersions = "/versions/";
constexpr absl::string_view kAliases = "/aliases/";
constexpr absl::string_view kDatasets = "datasets/";
constexpr absl::string_view kBlobs = "blobs/";
constexpr size_t kMaxDatasetName = 100;

absl::Status BadName(absl::string_view what, absl::string_view name, absl::string_view rule) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_NAME",
                         absl::StrCat("'", name, "' is not ", what, ": ", rule));
}

void FillRandom(void* bytes, size_t size) {
  // Below 256 bytes getrandom neither fails nor returns early once the kernel's generator is
  // seeded.
  while (getrandom(bytes, size, 0) != static_cast<ssize_t>(size)) {
  }
}

}  // namespace

std::string JobName(absl::string_view job_id) { return absl::StrCat(kJobs, job_id); }

absl::StatusOr<std::string> ParseJobName(absl::string_view name) {
  const absl::string_view id = absl::StartsWith(name, kJobs) ? name.substr(kJobs.size()) : name;
  RETURN_IF_ERROR(ValidateJobId(id));
  return std::string(id);
}

absl::Status ValidateJobId(absl::string_view id) {
  constexpr absl::string_view kRule = "3 to 63 of a-z, 0-9 and '-', with no '-' at either end";
  const bool characters = std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
  if (!characters || id.size() < 3 || id.size() > 63 || id.front() == '-' || id.back() == '-') {
    return BadName("a job id", id, kRule);
  }
  return absl::OkStatus();
}

std::string ModelName::ToString() const {
  if (!alias.empty()) return absl::StrCat(kModels, model, kAliases, alias);
  return version == 0 ? absl::StrCat(kModels, model)
                      : absl::StrCat(kModels, model, kVersions, version);
}

absl::StatusOr<ModelName> ParseModelName(absl::string_view name) {
  constexpr absl::string_view kRule =
      "write NAME, NAME@VERSION, NAME@ALIAS, models/NAME/versions/VERSION or "
      "models/NAME/aliases/ALIAS";
  absl::string_view rest = name;
  ModelName parsed;
  std::optional<absl::string_view> version, alias;
  if (absl::ConsumePrefix(&rest, kModels)) {
    if (const size_t at = rest.find(kVersions); at != absl::string_view::npos) {
      version = rest.substr(at + kVersions.size());
      rest = rest.substr(0, at);
    } else if (const size_t at = rest.find(kAliases); at != absl::string_view::npos) {
      alias = rest.substr(at + kAliases.size());
      rest = rest.substr(0, at);
    }
  } else if (const size_t at = rest.find('@'); at != absl::string_view::npos) {
    const absl::string_view behind = rest.substr(at + 1);
    (ValidateModelAlias(behind).ok() ? alias : version) = behind;
    rest = rest.substr(0, at);
  }
  const bool bad_version =
      version.has_value() && (!absl::SimpleAtoi(*version, &parsed.version) || parsed.version < 1);
  const bool bad_alias = alias.has_value() && !ValidateModelAlias(*alias).ok();
  if (bad_version || bad_alias || !ValidateJobId(rest).ok()) {
    return BadName("a model name", name, kRule);
  }
  parsed.alias = std::string(alias.value_or(""));
  parsed.model = std::string(rest);
  return parsed;
}

absl::Status ValidateModelAlias(absl::string_view alias) {
  const bool characters = std::all_of(alias.begin(), alias.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_';
  });
  if (!characters || alias.empty() || alias.size() > 63 || !absl::ascii_islower(alias.front())) {
    return BadName("an alias", alias.substr(0, 100),
                   "a letter, then at most 62 of a-z, 0-9, '-' and '_'");
  }
  return absl::OkStatus();
}

std::string DatasetName(absl::string_view dataset) { return absl::StrCat(kDatasets, dataset); }

absl::StatusOr<std::string> ParseDatasetName(absl::string_view name) {
  constexpr absl::string_view kRule =
      "parts of a-z, 0-9, '-' and '_' that begin with a letter or digit, joined by '/', 100 "
      "characters at most, and none of blobs, datasets, jobs and models as the first";
  const absl::string_view bare = absl::StripPrefix(name, kDatasets);
  const std::vector<absl::string_view> parts = absl::StrSplit(bare, '/');
  const bool well_formed = std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
    return !part.empty() && part.front() != '-' && part.front() != '_' &&
           std::all_of(part.begin(), part.end(), [](char c) {
             return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_';
           });
  });
  const absl::string_view first = parts.front();
  if (!well_formed || bare.size() > kMaxDatasetName || first == "blobs" || first == "datasets" ||
      first == "jobs" || first == "models") {
    return BadName("the name of a data set", name.substr(0, kMaxDatasetName), kRule);
  }
  return std::string(bare);
}

std::string BlobName(absl::string_view sha256) { return absl::StrCat(kBlobs, sha256); }

absl::StatusOr<std::string> ParseBlobName(absl::string_view name) {
  absl::string_view digits = name;
  const bool prefixed = absl::ConsumePrefix(&digits, kBlobs);
  const bool hexadecimal = std::all_of(digits.begin(), digits.end(), [](char c) {
    return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
  });
  if (!prefixed || !hexadecimal || digits.size() != 64) {
    return BadName("a blob name", name.substr(0, 100),
                   "write blobs/ and the 64 hexadecimal digits of its SHA-256");
  }
  return std::string(digits);
}

std::string RandomSuffix(int length) {
  constexpr absl::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::string suffix(length, 0);
  FillRandom(suffix.data(), suffix.size());
  for (char& c : suffix) c = kAlphabet[static_cast<unsigned char>(c) % 32];
  return suffix;
}

std::string NewUid() {
  constexpr absl::string_view kCrockford = "0123456789abcdefghjkmnpqrstvwxyz";
  std::string uid(26, '0');
  uint64_t milliseconds = static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()));
  for (int i = 9; i >= 0; --i, milliseconds >>= 5) uid[i] = kCrockford[milliseconds & 31];
  FillRandom(uid.data() + 10, 16);
  for (int i = 10; i < 26; ++i) uid[i] = kCrockford[static_cast<unsigned char>(uid[i]) & 31];
  return uid;
}

}  // namespace skytrain
