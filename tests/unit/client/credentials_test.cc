#include "client/api/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/errors.h"
#include "tests/support/temp_dir.h"

namespace skytrain::client {
namespace {

class CredentialsTest : public ::testing::Test {
 protected:
  int Mode() const {
    struct stat info {};
    EXPECT_EQ(stat(file_.path().c_str(), &info), 0);
    return info.st_mode & 0777;
  }

  TempDir dir_;
  CredentialsFile file_{dir_.File("config/skytrain/credentials")};
};

TEST_F(CredentialsTest, TokensAreKeptByServerInAFileOfTheOwnersAlone) {
  EXPECT_EQ(*file_.Find("a:1"), "");
  ASSERT_TRUE(file_.Store("a:1", "sky_1").ok());
  ASSERT_TRUE(file_.Store("b:1", "sky_2").ok());
  ASSERT_TRUE(file_.Store("a:1", "sky_3").ok());
  EXPECT_EQ(Mode(), 0600);
  EXPECT_EQ(*file_.Find("a:1"), "sky_3");
  EXPECT_EQ(*file_.Find("b:1"), "sky_2");
  EXPECT_EQ(*file_.Find("a:10"), "");
  ASSERT_TRUE(file_.Remove("a:1").ok());
  EXPECT_EQ(*file_.Find("a:1"), "");
  EXPECT_EQ(*file_.Find("b:1"), "sky_2");
  EXPECT_EQ(ReasonOf(file_.Remove("a:1")), "NOT_LOGGED_IN");
  EXPECT_EQ(ReadWhole(file_.path()), "b:1 sky_2\n");
}

TEST_F(CredentialsTest, AFileThatOthersMayReadIsNotUsed) {
  ASSERT_TRUE(file_.Store("a:1", "sky_1").ok());
  chmod(file_.path().c_str(), 0640);
  EXPECT_EQ(ReasonOf(file_.Find("a:1").status()), "UNSAFE_CREDENTIALS");
  EXPECT_EQ(ReasonOf(file_.Store("a:1", "sky_2")), "UNSAFE_CREDENTIALS");
}

TEST_F(CredentialsTest, CommentsStayAndOtherLinesAreNamed) {
  ASSERT_TRUE(file_.Store("a:1", "sky_1").ok());
  WriteWhole(file_.path(), "# mine\n\na:1 sky_1\n");
  chmod(file_.path().c_str(), 0600);
  ASSERT_TRUE(file_.Store("b:1", "sky_2").ok());
  EXPECT_EQ(ReadWhole(file_.path()), "# mine\na:1 sky_1\nb:1 sky_2\n");
  WriteWhole(file_.path(), "a:1\n");
  EXPECT_EQ(ReasonOf(file_.Find("b:1").status()), "BAD_CREDENTIALS");
}

TEST_F(CredentialsTest, WhatIsNoTokenIsRefused) {
  for (const std::string& token :
       {std::string(), std::string("a b"), std::string("a\nauthorization: x"), std::string("é"),
        std::string(5000, 'x')}) {
    EXPECT_EQ(ReasonOf(file_.Store("a:1", token)), "BAD_TOKEN") << token;
  }
}

}  // namespace
}  // namespace skytrain::client
