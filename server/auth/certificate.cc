#include "server/auth/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"
#include "server/auth/identity.h"

namespace skytrain {
namespace {

constexpr uint64_t kMaxPemBytes = 1 << 20;
constexpr absl::string_view kOwnerUri = "skytrain://owner/";

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Names = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;

Bio Reader(absl::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
}

// The first certificate of `pem`; null when there is none.
Certificate ParseCertificate(absl::string_view pem) {
  Certificate certificate(PEM_read_bio_X509(Reader(pem).get(), nullptr, nullptr, nullptr),
                          &X509_free);
  ERR_clear_error();  // OpenSSL's queue belongs to the thread, and gRPC looks at it.
  return certificate;
}

// An encrypted key would ask the terminal for its passphrase.
int NoPassphrase(char*, int, int, void*) { return -1; }

Key ParseKey(absl::string_view pem) {
  Key key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, &NoPassphrase, nullptr),
          &EVP_PKEY_free);
  ERR_clear_error();
  return key;
}

absl::StatusOr<absl::Time> ToTime(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InvalidArgumentError("no readable date");
  return absl::FromUnixSeconds(timegm(&parts));
}

std::string Text(const ASN1_STRING* string) {
  unsigned char* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, string);
  if (length < 0) return "";
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<size_t>(length));
  OPENSSL_free(utf8);
  return text;
}

std::vector<std::string> OwnerUris(X509* certificate) {
  std::vector<std::string> owners;
  const Names names(static_cast<GENERAL_NAMES*>(
                        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
                    &GENERAL_NAMES_free);
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const std::string uri = Text(name->d.uniformResourceIdentifier);
    absl::string_view owner = uri;
    if (absl::ConsumePrefix(&owner, kOwnerUri)) owners.emplace_back(owner);
  }
  return owners;
}

std::vector<std::string> CommonNames(X509* certificate) {
  std::vector<std::string> found;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  int at = -1;
  while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0) {
    found.push_back(Text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  }
  return found;
}

absl::Status BadFile(const std::string& path, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_TLS_FILES",
                         absl::StrCat(path, ": ", what));
}

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  auto text = FileSystem::Posix().ReadFile(path, kMaxPemBytes);
  if (!text.ok()) return BadFile(path, text.status().message());
  return text;
}

absl::Status CheckDates(const std::string& path, X509* certificate, absl::Time now) {
  ASSIGN_OR_RETURN(const absl::Time begin, ToTime(X509_get0_notBefore(certificate)));
  ASSIGN_OR_RETURN(const absl::Time end, ToTime(X509_get0_notAfter(certificate)));
  if (end <= now) {
    return BadFile(path, absl::StrCat("the certificate expired on ", absl::FormatTime(end),
                                      ". Replace it by a new one"));
  }
  if (begin > now) {
    return BadFile(path, absl::StrCat("the certificate is valid from ", absl::FormatTime(begin),
                                      " on only. Is this machine's clock right?"));
  }
  return absl::OkStatus();
}

absl::Status CheckKeyMode(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return BadFile(path, absl::ErrnoToStatus(errno, "cannot look at it").message());
  }
  if ((info.st_mode & 07) != 0) {
    return BadFile(path, absl::StrCat("everybody may use this key. Run: chmod 600 ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CertificateHolder> HolderOf(absl::string_view pem) {
  const auto refused = [](absl::string_view what) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, "BAD_CERTIFICATE", what);
  };
  const Certificate certificate = ParseCertificate(pem);
  if (certificate == nullptr) return refused("your certificate cannot be read");
  std::vector<std::string> owners = OwnerUris(certificate.get());
  if (owners.empty()) owners = CommonNames(certificate.get());
  if (owners.size() != 1 || !ValidateOwner(owners[0]).ok()) {
    return refused(
        "your certificate must name one owner: a subject alternative name "
        "URI:skytrain://owner/NAME, or NAME as the common name");
  }
  ASSIGN_OR_RETURN(const absl::Time expiry, ToTime(X509_get0_notAfter(certificate.get())));
  return CertificateHolder{owners[0], expiry};
}

absl::Status CheckTlsFiles(const TlsFiles& files, absl::Time now) {
  ASSIGN_OR_RETURN(const std::string chain, ReadPem(files.certificate));
  const Certificate certificate = ParseCertificate(chain);
  if (certificate == nullptr) return BadFile(files.certificate, "holds no PEM certificate");
  RETURN_IF_ERROR(CheckDates(files.certificate, certificate.get(), now));
  ASSIGN_OR_RETURN(const std::string key_text, ReadPem(files.key));
  RETURN_IF_ERROR(CheckKeyMode(files.key));
  const Key key = ParseKey(key_text);
  if (key == nullptr) return BadFile(files.key, "holds no unencrypted PEM private key");
  const bool match = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!match) {
    return BadFile(files.key, absl::StrCat("is not the key of ", files.certificate));
  }
  if (files.client_ca.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string ca_text, ReadPem(files.client_ca));
  const Certificate ca = ParseCertificate(ca_text);
  if (ca == nullptr) return BadFile(files.client_ca, "holds no PEM certificate");
  return CheckDates(files.client_ca, ca.get(), now);
}

absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string chain, ReadPem(path));
  const Certificate certificate = ParseCertificate(chain);
  if (certificate == nullptr) return BadFile(path, "holds no PEM certificate");
  return ToTime(X509_get0_notAfter(certificate.get()));
}

}  // namespace skytrain
