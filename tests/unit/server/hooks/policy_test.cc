// The pure parts: signature, pauses, what an answer means, which URLs are taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"
#include "server/hooks/backoff.h"
#include "server/hooks/hook_url.h"
#include "server/hooks/http_transport.h"
#include "server/hooks/signature.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

TEST(Signature, IsTheHmacOfRfc4231) {
  const struct {
    std::string key;
    std::string data;
    const char* digest;
  } kCases[] = {
      // Test cases 1, 2, 3, 6 and 7 of RFC 4231.
      {std::string(20, '\x0b'), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. The "
       "key needs to be hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const auto& test : kCases) EXPECT_EQ(HmacSha256Hex(test.key, test.data), test.digest);
}

TEST(Signature, CoversTheTimeAndTheBody) {
  EXPECT_EQ(HookSignature("Jefe", 12, "x"), "sha256=" + HmacSha256Hex("Jefe", "12.x"));
  EXPECT_NE(HookSignature("Jefe", 13, "x"), HookSignature("Jefe", 12, "x"));
}

TEST(HookBackoff, DoublesUpToTheLongest) {
  const HookBackoff backoff{absl::Seconds(1), absl::Seconds(10), absl::Minutes(1)};
  const int kSeconds[] = {1, 2, 4, 8, 10, 10};
  for (int failures = 1; failures <= 6; ++failures) {
    const absl::Duration whole = absl::Seconds(kSeconds[failures - 1]);
    EXPECT_EQ(backoff.Pause(failures, 0, std::nullopt), whole / 2) << failures;
    EXPECT_LT(backoff.Pause(failures, 0.999, std::nullopt), whole) << failures;
    EXPECT_GT(backoff.Pause(failures, 0.999, std::nullopt), whole * 0.99) << failures;
  }
  EXPECT_EQ(backoff.Pause(1'000'000, 0, std::nullopt), absl::Seconds(5));
}

TEST(HookBackoff, HeedsWhatTheReceiverAsksForWithinBounds) {
  const HookBackoff backoff{absl::Seconds(1), absl::Seconds(10), absl::Minutes(1)};
  EXPECT_EQ(backoff.Pause(1, 0, absl::Seconds(30)), absl::Seconds(30));
  EXPECT_EQ(backoff.Pause(1, 0, absl::Hours(9)), absl::Minutes(1));
  EXPECT_EQ(backoff.Pause(4, 0, absl::Milliseconds(1)), absl::Seconds(4));
}

TEST(JudgeAnswer, TellsWhatMayPassFromWhatStays) {
  for (const int code : {200, 201, 202, 204, 299}) {
    EXPECT_TRUE(JudgeAnswer(code, {}, "").ok()) << code;
  }
  for (const int code : {301, 302, 307, 408, 425, 429, 500, 502, 503, 504, 599}) {
    EXPECT_TRUE(absl::IsUnavailable(JudgeAnswer(code, {}, ""))) << code;
  }
  for (const int code : {400, 401, 403, 404, 405, 410, 413, 422, 451}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(JudgeAnswer(code, {}, ""))) << code;
  }
  const absl::Status busy = JudgeAnswer(503, absl::Seconds(7), " too busy\n");
  EXPECT_EQ(RetryDelayOf(busy), absl::Seconds(7));
  EXPECT_EQ(busy.message(), "the receiver answered 503: too busy");
  EXPECT_FALSE(RetryDelayOf(JudgeAnswer(503, {}, "")).has_value());
}

TEST(HookUrl, IsEncryptedOrOfThisMachine) {
  for (const char* url : {"https://chat.example.org/skytrain", "https://10.0.0.7:8443",
                          "https://[2001:db8::1]/x", "http://localhost:8080/x",
                          "http://127.0.0.1/x", "http://127.1.2.3:80/", "http://[::1]:9/"}) {
    EXPECT_TRUE(CheckHookUrl(url).ok()) << url << ": " << CheckHookUrl(url);
  }
  const struct {
    const char* url;
    const char* says;
  } kBad[] = {
      {"http://chat.example.org/x", "http:// is taken for this machine alone"},
      {"http://127.0.0.1.example.org/x", "http:// is taken for this machine alone"},
      {"http://localhost@example.org/x", "http:// is taken for this machine alone"},
      {"ftp://example.org/x", "not ftp:"},
      {"file:///etc/passwd", "must be https://HOST/PATH"},
      {"https://ana:secret@example.org/x", "must hold no user or password"},
      {"example.org/x", "must be https://HOST/PATH"},
      {"", "must be https://HOST/PATH"},
  };
  for (const auto& test : kBad) {
    EXPECT_THAT(std::string(CheckHookUrl(test.url).message()), HasSubstr(test.says)) << test.url;
  }
}

}  // namespace
}  // namespace skytrain
