#include "client/api/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/errors.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

constexpr uint64_t kLargestFile = 1 << 20;
constexpr size_t kLongestToken = 4096;

absl::Status FileError(absl::string_view what, absl::string_view path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " ", path));
}

// The file's text; empty when there is none.
absl::StatusOr<std::string> ReadPrivate(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return std::string();
    return FileError("read", path);
  }
  if (info.st_uid != geteuid()) {
    return ErrorWithReason(absl::StatusCode::kPermissionDenied, "UNSAFE_CREDENTIALS",
                           absl::StrCat(path, " belongs to uid ", info.st_uid, ", not to you"));
  }
  if ((info.st_mode & 077) != 0) {
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, "UNSAFE_CREDENTIALS",
        absl::StrCat(path, " holds tokens and others may read it; run: ", "chmod 600 ", path));
  }
  return FileSystem::Posix().ReadFile(path, kLargestFile);
}

struct Entry {
  absl::string_view server, token;
};

// Of one line; nothing in it for an empty line or a comment.
absl::StatusOr<Entry> ParseLine(absl::string_view line, const std::string& path) {
  line = absl::StripAsciiWhitespace(line);
  if (line.empty() || line[0] == '#') return Entry{};
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.size() != 2) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_CREDENTIALS",
                           absl::StrCat(path, " has a line that is not HOST:PORT TOKEN"));
  }
  return Entry{words[0], words[1]};
}

// `text` without the lines of `server`; `found`: there was one.
absl::StatusOr<std::string> Without(absl::string_view text, absl::string_view server,
                                    const std::string& path, bool& found) {
  std::string rest;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ASSIGN_OR_RETURN(const Entry entry, ParseLine(line, path));
    if (!entry.server.empty() && entry.server == server) {
      found = true;
    } else if (!line.empty()) {
      absl::StrAppend(&rest, line, "\n");
    }
  }
  return rest;
}

}  // namespace

absl::Status CheckToken(absl::string_view token) {
  if (!token.empty() && token.size() <= kLongestToken &&
      absl::c_all_of(token, [](char c) { return absl::ascii_isgraph(c); })) {
    return absl::OkStatus();
  }
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_TOKEN",
                         "this is not a token: it is one word of visible characters, as skytraind "
                         "token create prints it");
}

absl::StatusOr<std::string> CredentialsFile::DefaultPath() {
  const char* config = getenv("XDG_CONFIG_HOME");
  const char* home = getenv("HOME");
  if (config != nullptr && config[0] == '/') return absl::StrCat(config, "/skytrain/credentials");
  if (home != nullptr && home[0] == '/') {
    return absl::StrCat(home, "/.config/skytrain/credentials");
  }
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NO_HOME",
                         "neither HOME nor XDG_CONFIG_HOME is set: there is no place for the "
                         "credentials file; SKYTRAIN_TOKEN needs none");
}

absl::StatusOr<std::string> CredentialsFile::Find(absl::string_view server) const {
  ASSIGN_OR_RETURN(const std::string text, ReadPrivate(path_));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ASSIGN_OR_RETURN(const Entry entry, ParseLine(line, path_));
    if (!entry.server.empty() && entry.server == server) {
      RETURN_IF_ERROR(CheckToken(entry.token));
      return std::string(entry.token);
    }
  }
  return std::string();
}

absl::Status CredentialsFile::Store(absl::string_view server, absl::string_view token) {
  RETURN_IF_ERROR(CheckToken(token));
  ASSIGN_OR_RETURN(const std::string text, ReadPrivate(path_));
  bool found = false;
  ASSIGN_OR_RETURN(const std::string rest, Without(text, server, path_, found));
  return Write(absl::StrCat(rest, server, " ", token, "\n"));
}

absl::Status CredentialsFile::Remove(absl::string_view server) {
  ASSIGN_OR_RETURN(const std::string text, ReadPrivate(path_));
  bool found = false;
  ASSIGN_OR_RETURN(const std::string rest, Without(text, server, path_, found));
  if (!found) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "NOT_LOGGED_IN",
                           absl::StrCat(path_, " holds no token for ", server));
  }
  return Write(rest);
}

absl::Status CredentialsFile::Write(absl::string_view text) {
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return FileError("make the folder", folder.string());
  }
  std::string temporary = path_ + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);  // 0600, whatever the umask.
  if (fd < 0) return FileError("write", temporary);
  const bool written =
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  absl::Status status = written ? absl::OkStatus() : FileError("write", temporary);
  close(fd);
  if (status.ok() && rename(temporary.c_str(), path_.c_str()) != 0) {
    status = FileError("write", path_);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace skytrain::client
