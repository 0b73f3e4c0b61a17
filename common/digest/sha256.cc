#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/status_macros.h"

namespace skytrain {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr);
}

Sha256::~Sha256() = default;

void Sha256::Update(absl::string_view data) {
  EVP_DigestUpdate(state_->context, data.data(), data.size());
}

std::string Sha256::HexDigest() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, digest, &size);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
}

std::string Sha256Hex(absl::string_view data) {
  Sha256 sha;
  sha.Update(data);
  return sha.HexDigest();
}

absl::Status UpdateFromFile(const std::string& path, Sha256& sha) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                       &std::fclose);
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  std::vector<char> buffer(1 << 18);
  while (true) {
    const size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (got == 0) break;
    sha.Update(absl::string_view(buffer.data(), got));
  }
  if (std::ferror(file.get()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Sha256HexOfRest(int fd, const std::string& path,
                                            const std::function<bool()>& stop) {
  Sha256 sha;
  std::vector<char> buffer(1 << 20);
  absl::Status status;
  while (status.ok()) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) status = absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
    if (got <= 0) break;
    sha.Update(absl::string_view(buffer.data(), static_cast<size_t>(got)));
    if (stop && stop()) status = absl::CancelledError(absl::StrCat("stopped reading ", path));
  }
  close(fd);
  RETURN_IF_ERROR(status);
  return sha.HexDigest();
}

absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path) {
  Sha256 sha;
  RETURN_IF_ERROR(UpdateFromFile(path, sha));
  return sha.HexDigest();
}

}  // namespace skytrain
