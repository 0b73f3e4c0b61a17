#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "common/digest/digest.h"

namespace skytrain {
namespace {

constexpr char kOfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Sha256Test, AgreesWithTheVectorsOfFips180) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), kOfAbc);
  EXPECT_EQ(Sha256Hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, TakesDataInPieces) {
  Sha256 sha;
  sha.Update("a");
  sha.Update("");
  sha.Update("bc");
  EXPECT_EQ(sha.HexDigest(), kOfAbc);
}

TEST(Sha256Test, DigestsAFile) {
  const std::string path = ::testing::TempDir() + "/sha256_test_file";
  std::ofstream(path, std::ios::binary) << "abc";
  const auto digest = Sha256HexOfFile(path);
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(*digest, kOfAbc);
}

TEST(Sha256Test, NamesTheFileThatIsMissing) {
  const auto digest = Sha256HexOfFile("/no/such/file");
  EXPECT_TRUE(absl::IsNotFound(digest.status())) << digest.status();
  EXPECT_NE(digest.status().message().find("/no/such/file"), absl::string_view::npos);
}

TEST(Sha256Test, RefusesAFolder) { EXPECT_FALSE(Sha256HexOfFile("/tmp").ok()); }

}  // namespace
}  // namespace skytrain
