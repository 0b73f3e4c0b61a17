#include "server/auth/token_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

#include "absl/strings/match.h"
#include "common/errors.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

class TokenStoreTest : public ::testing::Test {
 protected:
  std::string NewToken(const std::string& owner, absl::Time expiry = absl::InfiniteFuture()) {
    return store_.Create(owner, false, expiry, "").value();
  }
  static std::string IdOf(const std::string& token) { return token.substr(4, 8); }
  std::string File() const {
    std::ifstream file(dir_.path() + "/auth/tokens");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TempDir dir_;
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  TokenStore store_{dir_.path() + "/auth", FileSystem::Posix(), clock_};
};

TEST_F(TokenStoreTest, TokenNamesItsOwnerAndRole) {
  const std::string user = NewToken("ana");
  const std::string admin = store_.Create("ben", true, absl::InfiniteFuture(), "CI").value();
  EXPECT_EQ(store_.Check(user)->owner, "ana");
  EXPECT_FALSE(store_.Check(user)->admin);
  EXPECT_EQ(store_.Check(admin)->owner, "ben");
  EXPECT_TRUE(store_.Check(admin)->admin);
  EXPECT_EQ(store_.List()->at(1).note, "CI");
}

TEST_F(TokenStoreTest, OnlyDigestsAreStoredAndNobodyElseReadsThem) {
  const std::string token = NewToken("ana");
  EXPECT_GE(token.size(), 4u + 8 + 1 + 43);
  EXPECT_FALSE(absl::StrContains(File(), token.substr(13)));
  struct stat info;
  ASSERT_EQ(stat((dir_.path() + "/auth").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(TokenStoreTest, WhatIsNotATokenOfThisServerIsRefused) {
  const std::string token = NewToken("ana");
  std::string changed = token;
  changed.back() = changed.back() == 'A' ? 'B' : 'A';
  for (const std::string& bad :
       {std::string(), std::string("sky_"), std::string("sky__"), std::string(5000, 'x'), changed,
        token + "A", token.substr(0, token.size() - 1), "sky_aaaaaaaa_" + token.substr(13),
        token.substr(4)}) {
    EXPECT_EQ(ReasonOf(store_.Check(bad).status()), "BAD_TOKEN") << bad;
  }
}

TEST_F(TokenStoreTest, RevocationInAnotherProcessCountsAtTheNextQuestion) {
  const std::string token = NewToken("ana"), other = NewToken("ben");
  ASSERT_TRUE(store_.Check(token).ok());
  TokenStore tool(dir_.path() + "/auth", FileSystem::Posix(), clock_);
  ASSERT_TRUE(tool.Revoke(IdOf(token)).ok());
  ASSERT_TRUE(tool.Revoke(IdOf(token)).ok()) << "again changes nothing";
  const auto status = store_.Check(token).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReasonOf(status), "TOKEN_REVOKED");
  EXPECT_EQ(ReasonOf(store_.Recheck(IdOf(token))), "TOKEN_REVOKED");
  EXPECT_TRUE(store_.Check(other).ok());
  EXPECT_EQ(ReasonOf(tool.Revoke("nothere1")), "TOKEN_NOT_FOUND");
}

TEST_F(TokenStoreTest, TokenExpires) {
  const std::string token = NewToken("ana", clock_.Now() + absl::Hours(1));
  EXPECT_TRUE(store_.Check(token).ok());
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(ReasonOf(store_.Check(token).status()), "TOKEN_EXPIRED");
  EXPECT_EQ(ReasonOf(store_.Recheck(IdOf(token))), "TOKEN_EXPIRED");
}

TEST_F(TokenStoreTest, DamagedFileLetsNobodyIn) {
  const std::string token = NewToken("ana");
  ASSERT_TRUE(store_.Check(token).ok());
  std::ofstream(dir_.path() + "/auth/tokens", std::ios::app) << "{\"id\": \"half a li\n";
  const auto status = store_.Check(token).status();
  EXPECT_EQ(ReasonOf(status), "TOKENS_UNREADABLE");
  EXPECT_TRUE(absl::StrContains(status.message(), "tokens:2")) << status;
}

TEST_F(TokenStoreTest, FlippedBitLetsNobodyInWhoWasNotAndAsNobodyElse) {
  const std::string path = dir_.path() + "/auth/tokens";
  const std::string good = NewToken("ana"), revoked = NewToken("ben");
  ASSERT_TRUE(store_.Revoke(IdOf(revoked)).ok());
  const std::string whole = File();
  int named = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); bit += 3) {
    std::string flipped = whole;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    WriteWhole(path, flipped);
    TokenStore store(dir_.path() + "/auth", FileSystem::Posix(), clock_);
    const auto ana = store.Check(good);
    if (ana.ok()) {
      EXPECT_EQ(ana->owner, "ana") << bit;
      EXPECT_FALSE(ana->admin) << bit;
    }
    EXPECT_FALSE(store.Check(revoked).ok()) << flipped;
    named += ReasonOf(ana.status()) == "TOKENS_UNREADABLE";
  }
  EXPECT_GT(named, 1000);
}

TEST_F(TokenStoreTest, LinesWithoutAChecksumAreTaken) {
  const std::string token = NewToken("ana");
  std::string text = File();
  const size_t begin = text.find("\"crc32c\""), end = text.find("\"created\"");
  ASSERT_LT(begin, end);
  WriteWhole(dir_.path() + "/auth/tokens", text.erase(begin, end - begin));
  EXPECT_EQ(store_.Check(token)->owner, "ana");
}

TEST_F(TokenStoreTest, OwnersThatNoSystemKnowsAreRefused) {
  for (const std::string owner : {"", "ana lopez", "../ana", "-ana", "ana\nben", "."}) {
    EXPECT_EQ(ReasonOf(store_.Create(owner, false, absl::InfiniteFuture(), "").status()),
              "BAD_OWNER")
        << owner;
  }
}

}  // namespace
}  // namespace skytrain
