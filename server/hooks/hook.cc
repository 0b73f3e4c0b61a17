#include "server/hooks/hook.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"

namespace skytrain {
namespace {

constexpr uint64_t kMaxSecretBytes = 4096;
constexpr size_t kMinSecretBytes = 16;
constexpr uint64_t kMaxCaBytes = 4 << 20;

absl::Status CheckProgram(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(info.st_mode) || access(path.c_str(), X_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is no program that the daemon may execute: chmod +x?"));
  }
  if ((info.st_mode & S_IWOTH) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "everybody may write to ", path, ", which the daemon is to execute: chmod o-w"));
  }
  return absl::OkStatus();
}

}  // namespace

bool Hook::Wants(const v1::Job& job, const v1::StateChange& change) const {
  return change.from() != change.to() && (states >> change.to() & 1) != 0 && filter.Matches(job);
}

absl::StatusOr<std::string> ReadSecret(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return absl::ErrnoToStatus(errno, path);
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " holds a secret and is open to others: chmod 600"));
  }
  ASSIGN_OR_RETURN(std::string secret, FileSystem::Posix().ReadFile(path, kMaxSecretBytes));
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.size() < kMinSecretBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat("the secret in ", path, " has ", secret.size(), " bytes, and needs ",
                     kMinSecretBytes, " at least: openssl rand -hex 32"));
  }
  return secret;
}

absl::Status CheckHook(const Hook& hook) {
  if (!hook.exec.empty()) return CheckProgram(hook.exec[0]);
  RETURN_IF_ERROR(ReadSecret(hook.secret_file).status());
  if (hook.ca.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string ca, FileSystem::Posix().ReadFile(hook.ca, kMaxCaBytes));
  if (absl::StrContains(ca, "-----BEGIN CERTIFICATE-----")) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(hook.ca, " holds no PEM certificate"));
}

}  // namespace skytrain
