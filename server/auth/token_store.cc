#include "server/auth/token_store.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "server/auth/identity.h"

namespace skytrain {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kPrefix = "sky_";
constexpr int kIdLength = 8;
constexpr size_t kSecretBytes = 32;
constexpr size_t kMaxTokenLength = 256;  // Of what a client sends.
constexpr size_t kMaxNoteLength = 200;
constexpr uint64_t kMaxFileBytes = 16 << 20;

absl::Status Refused(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, reason, message);
}

absl::Status BadToken() {
  return Refused("BAD_TOKEN",
                 "the token is not one of this server's. Ask for a new one (skytraind token "
                 "create), then: skytrain login");
}

std::string TimeText(absl::Time time) {
  return time == absl::InfiniteFuture()
             ? ""
             : absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<absl::Time> ParseTime(const std::string& text) {
  if (text.empty()) return absl::InfiniteFuture();
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%Y-%m-%dT%H:%M:%SZ", text, &time, &error)) {
    return absl::InvalidArgumentError(error);
  }
  return time;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A flipped bit must not make a token somebody else's, nor one that was revoked good again.
constexpr char kCrc[] = "crc32c";

// Of the line without it.
uint32_t CrcOf(const Json& json) { return MaskCrc(Crc32c(Dump(json))); }

std::string Line(const Token& token) {
  Json json = {{"id", token.id},
               {"sha256", token.sha256},
               {"owner", token.owner},
               {"role", token.admin ? "admin" : "user"},
               {"note", token.note},
               {"created", TimeText(token.create_time)},
               {"expires", TimeText(token.expiry)},
               {"revoked", TimeText(token.revoke_time)}};
  const uint32_t crc = CrcOf(json);
  json[kCrc] = crc;
  return Dump(json) + "\n";
}

// Strict: what cannot be read might be a revocation.
absl::StatusOr<Token> ParseLine(absl::string_view line) {
  Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("not a JSON object");
  // Lines of earlier versions have none.
  if (const auto crc = json.find(kCrc); crc != json.end()) {
    const Json stored = *crc;
    json.erase(crc);
    if (stored != CrcOf(json)) return absl::DataLossError("the line fails its checksum");
  }
  const auto text = [&json](const char* key) -> std::string {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
  };
  Token token;
  token.id = text("id");
  token.sha256 = text("sha256");
  token.owner = text("owner");
  token.admin = text("role") == "admin";
  token.note = text("note");
  ASSIGN_OR_RETURN(token.create_time, ParseTime(text("created")));
  ASSIGN_OR_RETURN(token.expiry, ParseTime(text("expires")));
  ASSIGN_OR_RETURN(token.revoke_time, ParseTime(text("revoked")));
  if (token.id.empty() || token.sha256.size() != 64) {
    return absl::InvalidArgumentError("without id or sha256");
  }
  RETURN_IF_ERROR(ValidateOwner(token.owner));
  return token;
}

absl::StatusOr<std::string> NewSecret() {
  std::string bytes(kSecretBytes, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return absl::ErrnoToStatus(errno, "no random numbers");
  }
  return absl::WebSafeBase64Escape(bytes);
}

// A lock that the holder's death releases.
class FileLock {
 public:
  static absl::StatusOr<FileLock> Take(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
    FileLock lock(fd);
    while (flock(fd, LOCK_EX) != 0) {
      if (errno != EINTR) return absl::ErrnoToStatus(errno, absl::StrCat("cannot lock ", path));
    }
    return lock;
  }
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace

TokenStore::TokenStore(std::string folder, FileSystem& fs, Clock& clock)
    : folder_(std::move(folder)), fs_(fs), clock_(clock) {}

absl::StatusOr<std::vector<Token>> TokenStore::ReadTokens() const {
  const std::string path = folder_ + "/tokens";
  const auto text = fs_.ReadFile(path, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return std::vector<Token>();
  RETURN_IF_ERROR(text.status());
  std::vector<Token> tokens;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    if (line.empty()) continue;
    auto token = ParseLine(line);
    if (!token.ok()) {
      return ErrorWithReason(
          absl::StatusCode::kInternal, "TOKENS_UNREADABLE",
          absl::StrCat(path, ":", number, ": ", token.status().message(),
                       ". Repair or remove the line; until then no token is accepted"));
    }
    tokens.push_back(*std::move(token));
  }
  return tokens;
}

template <typename Change>
absl::Status TokenStore::Update(Change change) {
  const absl::Status made = fs_.CreateDir(folder_);
  if (made.ok()) {
    if (chmod(folder_.c_str(), 0700) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot restrict access to ", folder_));
    }
  } else if (!absl::IsAlreadyExists(made)) {
    return made;
  }
  // Else a power loss takes the folder, and with it tokens and revocations.
  RETURN_IF_ERROR(fs_.SyncDir(ParentOf(folder_)));
  const std::string path = folder_ + "/tokens";
  ASSIGN_OR_RETURN(const FileLock lock, FileLock::Take(path + ".lock"));
  ASSIGN_OR_RETURN(std::vector<Token> tokens, ReadTokens());
  RETURN_IF_ERROR(change(tokens));
  std::string text;
  for (const Token& token : tokens) text += Line(token);
  return WriteFileAtomically(fs_, path, text);
}

absl::StatusOr<std::string> TokenStore::Create(absl::string_view owner, bool admin,
                                               absl::Time expiry, absl::string_view note) {
  RETURN_IF_ERROR(ValidateOwner(owner));
  if (note.size() > kMaxNoteLength) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_NOTE",
        absl::StrCat("the note has ", note.size(), " characters; ", kMaxNoteLength, " at most"));
  }
  ASSIGN_OR_RETURN(const std::string secret, NewSecret());
  Token token;
  token.owner = std::string(owner);
  token.admin = admin;
  token.note = std::string(note);
  token.create_time = clock_.Now();
  token.expiry = expiry;
  std::string text;
  RETURN_IF_ERROR(Update([&](std::vector<Token>& tokens) -> absl::Status {
    do {
      token.id = RandomSuffix(kIdLength);
    } while (std::any_of(tokens.begin(), tokens.end(),
                         [&](const Token& other) { return other.id == token.id; }));
    text = absl::StrCat(kPrefix, token.id, "_", secret);
    token.sha256 = Sha256Hex(text);
    tokens.push_back(token);
    return absl::OkStatus();
  }));
  return text;
}

absl::StatusOr<std::vector<Token>> TokenStore::List() { return ReadTokens(); }

absl::Status TokenStore::Revoke(absl::string_view id) {
  return Update([&](std::vector<Token>& tokens) -> absl::Status {
    for (Token& token : tokens) {
      if (token.id != id) continue;
      token.revoke_time = std::min(token.revoke_time, clock_.Now());
      return absl::OkStatus();
    }
    return ErrorWithReason(absl::StatusCode::kNotFound, "TOKEN_NOT_FOUND",
                           absl::StrCat("no token has the id ", id, "; see: skytraind token list"));
  });
}

absl::Status TokenStore::Refresh() {
  struct stat now = {};
  if (stat((folder_ + "/tokens").c_str(), &now) != 0) {
    if (errno != ENOENT) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot look at ", folder_, "/tokens"));
    }
    now = {};
  }
  // Every change is a new file.
  if (now.st_ino == seen_.st_ino && now.st_dev == seen_.st_dev && now.st_size == seen_.st_size &&
      now.st_mtim.tv_sec == seen_.st_mtim.tv_sec && now.st_mtim.tv_nsec == seen_.st_mtim.tv_nsec) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::vector<Token> tokens, ReadTokens());
  tokens_.clear();
  for (Token& token : tokens) tokens_[token.id] = std::move(token);
  seen_ = now;  // Of before the read: a change during it causes another one.
  return absl::OkStatus();
}

absl::Status TokenStore::StillGood(const Token& token) const {
  const absl::Time now = clock_.Now();
  if (token.revoke_time <= now) {
    return Refused("TOKEN_REVOKED",
                   absl::StrCat("the token ", token.id, " was revoked on ",
                                TimeText(token.revoke_time), ". Ask for a new one"));
  }
  if (token.expiry <= now) {
    return Refused("TOKEN_EXPIRED", absl::StrCat("the token ", token.id, " expired on ",
                                                 TimeText(token.expiry), ". Ask for a new one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Token> TokenStore::Check(absl::string_view text) {
  absl::string_view rest = text;
  if (text.size() > kMaxTokenLength || !absl::ConsumePrefix(&rest, kPrefix)) return BadToken();
  const absl::string_view id = rest.substr(0, rest.find('_'));
  const std::string sha256 = Sha256Hex(text);
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Refresh());
  const auto found = tokens_.find(id);
  if (found == tokens_.end()) return BadToken();
  const std::string& known = found->second.sha256;
  // In constant time: how far two digests agree is nobody's business.
  if (CRYPTO_memcmp(sha256.data(), known.data(), known.size()) != 0) return BadToken();
  RETURN_IF_ERROR(StillGood(found->second));
  return found->second;
}

absl::Status TokenStore::Recheck(absl::string_view id) {
  MutexLock lock(mu_);
  RETURN_IF_ERROR(Refresh());
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? BadToken() : StillGood(found->second);
}

}  // namespace skytrain
