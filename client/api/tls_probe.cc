#include "client/api/tls_probe.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/api/resolve.h"
#include "common/errors.h"

namespace skytrain::client {
namespace {

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX, SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL, SSL_free>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;

absl::Status Unreachable(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, reason, message);
}

absl::Status Untrusted(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, reason, message);
}

BioPtr MemoryOf(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

X509Ptr NextCertificate(BIO* bio) {
  return X509Ptr(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

absl::Time ToAbslTime(const ASN1_TIME* time) {
  tm fields{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) return absl::InfiniteFuture();
  return absl::FromTM(fields, absl::UTCTimeZone());
}

std::string Day(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

// The names and addresses that a certificate is for.
std::string NamesIn(X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type == GEN_DNS) {
      names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         ASN1_STRING_length(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      SocketAddress address;
      const int size = ASN1_STRING_length(name->d.iPAddress);
      address.storage.ss_family = size == 4 ? AF_INET : AF_INET6;
      void* at =
          size == 4
              ? static_cast<void*>(&reinterpret_cast<sockaddr_in*>(&address.storage)->sin_addr)
              : &reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_addr;
      if (size != 4 && size != 16) continue;
      std::copy_n(ASN1_STRING_get0_data(name->d.iPAddress), size, static_cast<uint8_t*>(at));
      names.push_back(address.ToString());
    }
  }
  GENERAL_NAMES_free(all);
  return names.empty() ? "no name at all" : absl::StrJoin(names, ", ");
}

// One handshake and what it found out.
class Probe {
 public:
  Probe(int fd, const Target& target, const TlsFiles& files, absl::Time deadline)
      : fd_(fd), target_(target), files_(files), deadline_(deadline) {
    hop_.name = "tls";
  }

  Hop Run() {
    hop_.status = SetUp();
    if (hop_.status.ok()) hop_.status = Handshake();
    if (hop_.status.ok()) hop_.status = CheckCertificate();
    if (hop_.status.ok()) hop_.status = Greet();
    return std::move(hop_);
  }

 private:
  absl::Status SetUp();
  absl::Status Handshake();
  absl::Status CheckCertificate();
  absl::Status Greet();
  absl::Status UseClientCertificate();
  absl::Status HandshakeFault(int error) const;
  absl::Status HungUp() const;
  absl::Status RefusedCertificate(absl::string_view why) const;
  std::string server() const { return target_.Authority(); }

  // Repeats `step`, an OpenSSL call, while it only waits for the other side. The error of
  // SSL_get_error, or kTimedOut.
  template <typename Step>
  int Drive(Step step);
  static constexpr int kTimedOut = -1;

  const int fd_;
  const Target& target_;
  const TlsFiles& files_;
  const absl::Time deadline_;
  ContextPtr context_;
  SslPtr ssl_;
  bool certificate_wanted_ = false;  // The server asked for ours.
  Hop hop_;
};

template <typename Step>
int Probe::Drive(Step step) {
  while (true) {
    ERR_clear_error();
    const int result = step();
    if (result > 0) return SSL_ERROR_NONE;
    const int error = SSL_get_error(ssl_.get(), result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return error;
    if (!WaitFor(fd_, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_)) {
      return kTimedOut;
    }
  }
}

absl::Status Probe::SetUp() {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (context_ == nullptr) return absl::InternalError("OpenSSL does not start");
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
  X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
  int roots = 0;
  for (const BioPtr bio = MemoryOf(files_.roots); X509Ptr root = NextCertificate(bio.get());) {
    roots += X509_STORE_add_cert(store, root.get());
  }
  if (roots == 0) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_TLS_FILE",
        absl::StrCat(files_.roots_path, " holds no certificate that can be read"));
  }
  if (!files_.certificate.empty()) {
    if (absl::Status used = UseClientCertificate(); !used.ok()) return used;
  }
  // Only notes that the server asks.
  SSL_CTX_set_cert_cb(
      context_.get(),
      [](SSL*, void* probe) {
        static_cast<Probe*>(probe)->certificate_wanted_ = true;
        return 1;
      },
      this);
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_fd(ssl_.get(), fd_);
  // The chain and the name are judged all the same, and the handshake goes on, to see all of it.
  SSL_set_verify(ssl_.get(), SSL_VERIFY_NONE, nullptr);
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  SSL_set_alpn_protos(ssl_.get(), kAlpn, sizeof(kAlpn));
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl_.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, target_.host.c_str()) != 1) {
    SSL_set_tlsext_host_name(ssl_.get(), target_.host.c_str());
    X509_VERIFY_PARAM_set1_host(parameters, target_.host.c_str(), 0);
  }
  ERR_clear_error();
  return absl::OkStatus();
}

absl::Status Probe::UseClientCertificate() {
  const BioPtr chain = MemoryOf(files_.certificate);
  const X509Ptr own = NextCertificate(chain.get());
  const BioPtr key_text = MemoryOf(files_.key);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  if (own == nullptr || key == nullptr) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_TLS_FILE",
                           absl::StrCat(own == nullptr ? "the client certificate" : "its key",
                                        " cannot be read: PEM without a passphrase is expected"));
  }
  SSL_CTX_use_certificate(context_.get(), own.get());
  while (X509Ptr more = NextCertificate(chain.get())) {
    SSL_CTX_add1_chain_cert(context_.get(), more.get());
  }
  if (SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context_.get()) != 1) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_TLS_FILE",
                           "the client certificate and the key do not belong together");
  }
  return absl::OkStatus();
}

absl::Status Probe::Handshake() {
  const int error = Drive([this] { return SSL_connect(ssl_.get()); });
  return error == SSL_ERROR_NONE ? absl::OkStatus() : HandshakeFault(error);
}

absl::Status Probe::HandshakeFault(int error) const {
  if (error == kTimedOut) {
    return Unreachable("TLS_TIMED_OUT",
                       absl::StrCat(server(), " takes connections but does not answer the TLS ",
                                    "handshake: skytraind hangs, or something else listens there"));
  }
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_UNEXPECTED_MESSAGE:
      return Unreachable("NOT_TLS",
                         absl::StrCat(server(), " does not speak TLS: something else listens on ",
                                      "this port, or the server was set up without it"));
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return RefusedCertificate("it asks for one");
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return RefusedCertificate("it does not know the CA that signed it");
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return RefusedCertificate("it has expired");
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return RefusedCertificate(ERR_reason_error_string(code));
    default:
      break;
  }
  if (reason == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) return HungUp();
  return Unreachable("TLS_FAILED", absl::StrCat("the TLS handshake with ", server(), " failed (",
                                                ERR_reason_error_string(code), ")"));
}

// gRPC's server hangs up without a word on who shows no certificate, or one that it does not take.
// So does a link that breaks, which is why it is worth another try.
absl::Status Probe::HungUp() const {
  if (!certificate_wanted_) {
    return Unreachable("TLS_FAILED", absl::StrCat("the TLS handshake with ", server(),
                                                  " failed (it closed the connection)"));
  }
  if (files_.certificate.empty()) {
    return Unreachable(
        "NO_CLIENT_CERTIFICATE",
        absl::StrCat(server(), " asked for a client certificate and hung up: give ",
                     "one with --cert FILE --key FILE (SKYTRAIN_CERT, ", "SKYTRAIN_KEY)"));
  }
  if (CertificateExpiry(files_.certificate) < absl::Now()) return RefusedCertificate("");
  return Unreachable("CLIENT_CERTIFICATE_REFUSED",
                     absl::StrCat(server(), " hung up when it saw the client certificate: either ",
                                  "it does not know the CA that signed it, or the link broke"));
}

absl::Status Probe::RefusedCertificate(absl::string_view why) const {
  if (files_.certificate.empty()) {
    return Untrusted(
        "NO_CLIENT_CERTIFICATE",
        absl::StrCat(server(), " lets in only who shows a client certificate: give it ",
                     "with --cert FILE --key FILE (SKYTRAIN_CERT, SKYTRAIN_KEY)"));
  }
  const absl::Time expiry = CertificateExpiry(files_.certificate);
  const std::string expired =
      expiry < absl::Now() ? absl::StrCat("it expired on ", Day(expiry)) : std::string(why);
  return Untrusted("CLIENT_CERTIFICATE_REFUSED",
                   absl::StrCat(server(), " refuses the client certificate: ", expired,
                                "; ask the server's administrator for a new one"));
}

absl::Status Probe::CheckCertificate() {
  const X509Ptr certificate(SSL_get1_peer_certificate(ssl_.get()));
  if (certificate == nullptr) {
    return Untrusted("BAD_SERVER_CERTIFICATE", absl::StrCat(server(), " shows no certificate"));
  }
  hop_.expiry = ToAbslTime(X509_get0_notAfter(certificate.get()));
  hop_.detail = absl::StrCat(SSL_get_version(ssl_.get()), ", certificate of ",
                             NamesIn(certificate.get()), " until ", Day(hop_.expiry));
  const long verdict = SSL_get_verify_result(ssl_.get());
  const std::string whose = absl::StrCat("the certificate of ", server());
  switch (verdict) {
    case X509_V_OK:
      return absl::OkStatus();
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Untrusted(
          "SERVER_CERTIFICATE_EXPIRED",
          absl::StrCat(whose, " expired on ", Day(hop_.expiry), " (it is ", Day(absl::Now()),
                       " here): the server's administrator must ", "renew it"));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Untrusted("SERVER_CERTIFICATE_NOT_YET_VALID",
                       absl::StrCat(whose, " is valid only from ",
                                    Day(ToAbslTime(X509_get0_notBefore(certificate.get()))),
                                    "; it is ", Day(absl::Now()), " here: is a clock wrong?"));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return Untrusted(
          "WRONG_SERVER_NAME",
          absl::StrCat(whose, " is for ", NamesIn(certificate.get()), ", not for ", target_.host,
                       ": use a name that it has, or have one made ", "that has this one"));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return Untrusted("UNKNOWN_CA",
                       absl::StrCat(whose, " is signed by none of the CAs in ", files_.roots_path,
                                    ": give the server's own with --ca FILE or SKYTRAIN_CA"));
    default:
      return Untrusted(
          "BAD_SERVER_CERTIFICATE",
          absl::StrCat(whose, " is not accepted: ", X509_verify_cert_error_string(verdict)));
  }
}

// With TLS 1.3 the server judges our certificate after the handshake; the first read tells.
absl::Status Probe::Greet() {
  const std::string greeting = Http2Greeting();
  int error = Drive(
      [&] { return SSL_write(ssl_.get(), greeting.data(), static_cast<int>(greeting.size())); });
  if (error != SSL_ERROR_NONE) return HandshakeFault(error);
  char bytes[kHttp2FrameHeader];
  error = Drive([&] { return SSL_read(ssl_.get(), bytes, sizeof(bytes)); });
  if (error == kTimedOut) {
    return Unreachable("NO_ANSWER",
                       absl::StrCat(server(), " speaks TLS but says nothing: ",
                                    "skytraind hangs, or something else listens there"));
  }
  if (error != SSL_ERROR_NONE) return HandshakeFault(error);
  if (IsHttp2Settings(absl::string_view(bytes, sizeof(bytes)))) return absl::OkStatus();
  return Unreachable("NOT_A_SERVER", absl::StrCat(server(), " speaks TLS but is no skytraind: ",
                                                  "something else listens on this port"));
}

// OpenSSL writes without MSG_NOSIGNAL: while it lives, a server that hangs up costs this thread an
// error and not the program its life.
class NoBrokenPipe {
 public:
  NoBrokenPipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoBrokenPipe() {
    const timespec now{};
    if (sigismember(&before_, SIGPIPE) == 0) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_, before_;
};

}  // namespace

Hop ProbeTls(int fd, const Target& target, const TlsFiles& files, absl::Time deadline) {
  const NoBrokenPipe no_broken_pipe;
  return Probe(fd, target, files, deadline).Run();
}

absl::Time CertificateExpiry(const std::string& pem) {
  const BioPtr bio = MemoryOf(pem);
  const X509Ptr certificate = NextCertificate(bio.get());
  ERR_clear_error();
  return certificate == nullptr ? absl::InfiniteFuture()
                                : ToAbslTime(X509_get0_notAfter(certificate.get()));
}

std::string Http2Greeting() {
  constexpr char kEmptySettings[] = "\0\0\0\4\0\0\0\0\0";
  return absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                      absl::string_view(kEmptySettings, kHttp2FrameHeader));
}

bool IsHttp2Settings(absl::string_view bytes) {
  constexpr char kSettings = 4;
  return bytes.size() >= kHttp2FrameHeader && bytes[3] == kSettings && bytes[4] == 0 &&
         bytes.substr(5, 4) == absl::string_view("\0\0\0\0", 4);
}

bool WaitFor(int fd, short events, absl::Time deadline) {
  pollfd polled{fd, events, 0};
  const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
  return left > 0 && poll(&polled, 1, static_cast<int>(std::min<int64_t>(left, 3'600'000))) > 0;
}

}  // namespace skytrain::client
