#include "server/auth/identity.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"

namespace skytrain {
namespace {

constexpr size_t kMaxOwnerLength = 64;

}  // namespace

absl::StatusOr<Mode> ParseMode(absl::string_view text) {
  for (const Mode mode : {Mode::kPersonal, Mode::kShared, Mode::kSite}) {
    if (text == ModeName(mode)) return mode;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("must be personal, shared or site, not \"", text, "\""));
}

absl::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kPersonal:
      return "personal";
    case Mode::kShared:
      return "shared";
    case Mode::kSite:
      return "site";
  }
  return "";
}

absl::Status ValidateOwner(absl::string_view owner) {
  bool good = !owner.empty() && owner.size() <= kMaxOwnerLength && owner.front() != '-' &&
              owner != "." && owner != "..";
  for (const char c : owner) {
    good = good &&
           (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-');
  }
  if (good) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_OWNER",
                         absl::StrCat("\"", owner.substr(0, kMaxOwnerLength),
                                      "\" cannot be the name of an owner: use a user's name "
                                      "(letters, digits, '.', '_', '-'; 64 at most)"));
}

absl::string_view ProofName(Identity::Proof proof) {
  switch (proof) {
    case Identity::Proof::kUnixUser:
      return "unix";
    case Identity::Proof::kCertificate:
      return "certificate";
    case Identity::Proof::kToken:
      return "token";
  }
  return "";
}

}  // namespace skytrain
