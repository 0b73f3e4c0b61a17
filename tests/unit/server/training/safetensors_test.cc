#include "server/training/checkpoint/safetensors.h"

#include <string>

#include "absl/strings/match.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/utf8.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace skytrain::training {
namespace {

std::string File(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  return length + header + data;
}

TEST(SafetensorsTest, WhatIsWrittenIsRead) {
  const TempDir dir;
  const std::string path = dir.File("a.safetensors");
  const std::string one(8, 'a'), two(24, 'b');
  const auto digest = WriteSafetensors(
      FileSystem::Posix(), path,
      {{"fc.weight", "F32", {2, 1}, one}, {"steps", "I64", {3}, two}, {"none", "F32", {0}, ""}},
      {{"format", "pt"}});
  ASSERT_TRUE(digest.ok()) << digest.status();
  const std::string content = ReadWhole(path);
  EXPECT_EQ(digest->size_bytes, static_cast<int64_t>(content.size()));
  EXPECT_EQ(digest->sha256, Sha256Hex(content));
  EXPECT_EQ((content.size() - one.size() - two.size()) % 8, 0);
  const auto file = ParseSafetensors(content);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata.at("format"), "pt");
  ASSERT_EQ(file->tensors.size(), 3);
  EXPECT_EQ(file->tensors[0].name, "fc.weight");
  EXPECT_EQ(file->tensors[0].shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(file->tensors[0].data, one);
  EXPECT_EQ(file->tensors[2].data, two);
}

TEST(SafetensorsTest, ScalarsHaveAnEmptyShape) {
  const std::string content =
      File(R"({"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})", std::string(8, 'x'));
  EXPECT_TRUE(ParseSafetensors(content).ok());
}

TEST(SafetensorsTest, DamagedFilesAreRefused) {
  const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const std::string data(8, 'x');
  ASSERT_TRUE(ParseSafetensors(File(good, data)).ok());
  const struct {
    const char* what;
    std::string content;
  } cases[] = {
      {"empty", ""},
      {"shorter than a length", "abc"},
      {"header longer than the file", std::string("\xff\xff\0\0\0\0\0\0{}", 10)},
      {"header length near 2^64", std::string(8, '\xff') + "{}"},
      {"header is no JSON", File("{\"a\":", data)},
      {"header is a list", File("[]", "")},
      {"cut off data", File(good, "xxxx")},
      {"bytes of no tensor", File(good, data + "x")},
      {"entry is a number", File(R"({"a":3})", "")},
      {"unknown type", File(R"({"a":{"dtype":"F7","shape":[2],"data_offsets":[0,8]}})", data)},
      {"negative side", File(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", data)},
      {"shape and bytes differ",
       File(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", data)},
      {"shape overflows",
       File(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", "")},
      {"begin after end", File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", data)},
      {"one offset", File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}})", data)},
      {"overlap", File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                       data)},
      {"gap", File(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", data)},
      {"metadata of numbers", File(R"({"__metadata__":{"a":1}})", "")},
  };
  for (const auto& test : cases) {
    const auto file = ParseSafetensors(test.content);
    EXPECT_EQ(file.status().code(), absl::StatusCode::kDataLoss) << test.what;
    EXPECT_EQ(ReasonOf(file.status()), "SAFETENSORS_CORRUPT") << test.what;
  }
}

TEST(SafetensorsTest, LongAndBinaryNamesAreCutAndEscapedInMessages) {
  const std::string name(1 << 20, 'n'), type(1 << 20, 'T');
  const struct {
    const char* what;
    std::string header;
    const char* says;
  } cases[] = {
      {"long name", R"({")" + name + R"(":3})", "is malformed"},
      {"long type", R"({"a":{"dtype":")" + type + R"(","shape":[],"data_offsets":[0,0]}})",
       "unknown type"},
      {"long name out of range",
       R"({")" + name + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "lies at bytes"},
      {"control characters", R"({"a\u0001\n":3})", "a\\x01\\n"},
      // One byte of a character lies behind the cut.
      {"cut character", "{\"" + std::string(99, 'n') + "\u00e9\":3}", "\\xc3\""},
  };
  for (const auto& test : cases) {
    const absl::Status status = ParseSafetensors(File(test.header, "")).status();
    EXPECT_EQ(ReasonOf(status), "SAFETENSORS_CORRUPT") << test.what;
    EXPECT_LT(status.message().size(), 500) << test.what;
    EXPECT_TRUE(IsValidUtf8(status.message())) << test.what;
    EXPECT_TRUE(absl::StrContains(status.message(), test.says)) << test.what << ": " << status;
  }
}

}  // namespace
}  // namespace skytrain::training
