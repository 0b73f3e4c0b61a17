#include "server/auth/certificate.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "absl/strings/match.h"
#include "common/errors.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(CertificateTest, OwnerIsTheUriElseTheCommonName) {
  const TestAuthority ca("ca");
  const struct {
    const char* what;
    CertificateRequest request;
    const char* owner;  // Empty: refused.
  } kCases[] = {
      {"common name", {"ana", {}}, "ana"},
      {"URI before common name", {"Ana Lopez", {"URI:skytrain://owner/ana"}}, "ana"},
      {"other URIs do not count", {"ana", {"URI:https://example.org/ben"}}, "ana"},
      {"DNS names do not count", {"ana", {"DNS:ben"}}, "ana"},
      {"two owners", {"ana", {"URI:skytrain://owner/ana", "URI:skytrain://owner/ben"}}, ""},
      {"not a user's name", {"Ana Lopez", {}}, ""},
      {"path", {"ana", {"URI:skytrain://owner/../root"}}, ""},
  };
  for (const auto& test : kCases) {
    const auto holder = HolderOf(ca.Sign(test.request).certificate);
    if (*test.owner == '\0') {
      EXPECT_EQ(ReasonOf(holder.status()), "BAD_CERTIFICATE") << test.what;
      continue;
    }
    ASSERT_TRUE(holder.ok()) << test.what << ": " << holder.status();
    EXPECT_EQ(holder->owner, test.owner) << test.what;
    EXPECT_EQ(holder->expiry, test.request.end) << test.what;
  }
  EXPECT_EQ(ReasonOf(HolderOf("not PEM").status()), "BAD_CERTIFICATE");
}

class TlsFilesTest : public ::testing::Test {
 protected:
  void Write(const KeyAndCertificate& pair) {
    WritePrivateFile(files_.certificate, pair.certificate);
    WritePrivateFile(files_.key, pair.key);
  }
  // What is wrong, or "".
  std::string Complaint() const {
    const absl::Status status = CheckTlsFiles(files_, kNow);
    EXPECT_EQ(ReasonOf(status), status.ok() ? "" : "BAD_TLS_FILES");
    return std::string(status.message());
  }

  TempDir dir_;
  const TestAuthority ca_{"ca"};
  TlsFiles files_{dir_.path() + "/server.pem", dir_.path() + "/server.key", ""};
};

TEST_F(TlsFilesTest, GoodFilesPass) {
  Write(ca_.Sign({"node", {"DNS:node"}}));
  files_.client_ca = dir_.path() + "/ca.pem";
  WritePrivateFile(files_.client_ca, ca_.certificate());
  EXPECT_EQ(Complaint(), "");
  EXPECT_EQ(CertificateExpiry(files_.certificate).value(), CertificateRequest{}.end);
}

TEST_F(TlsFilesTest, EachMistakeIsNamed) {
  const auto expect = [this](const char* complaint) {
    EXPECT_TRUE(absl::StrContains(Complaint(), complaint)) << Complaint();
  };
  expect("server.pem");  // Nothing there.
  const KeyAndCertificate pair = ca_.Sign({"node", {}});
  Write({pair.key, "rubbish"});
  expect("no PEM certificate");
  Write({"rubbish", pair.certificate});
  expect("no unencrypted PEM private key");
  Write({ca_.Sign({"other", {}}).key, pair.certificate});
  expect("is not the key of");
  Write(ca_.Sign({"node", {}, absl::UnixEpoch(), kNow - absl::Hours(1)}));
  expect("expired");
  Write(ca_.Sign({"node", {}, kNow + absl::Hours(1)}));
  expect("valid from");
  Write(pair);
  ASSERT_EQ(chmod(files_.key.c_str(), 0644), 0);
  expect("chmod 600");
  Write(pair);
  files_.client_ca = dir_.path() + "/absent.pem";
  expect("absent.pem");
}

}  // namespace
}  // namespace skytrain
