// What users really get wrong, and what untrusted files may try.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class BadInput : public testing::Test {
 protected:
  OpenOptions Options(const std::string& name) {
    return OptionsFor(dir_.File(name), dir_.File("cache"));
  }
  // Files `images` and a table beside them, as options.
  OpenOptions WithTable(const std::vector<File>& images, const std::string& table) {
    WriteFolder(dir_.File("images"), images);
    WriteWhole(dir_.File("labels.csv"), table);
    OpenOptions options = Options("");
    options.data.mutable_files()->add_images(dir_.File("images"));
    options.data.mutable_files()->set_table(dir_.File("labels.csv"));
    options.data.mutable_files()->set_id("id");
    return options;
  }
  void ExpectRefused(const OpenOptions& options, const std::string& reason,
                     const std::string& says) {
    const absl::Status status = OpenDataset(options).status();
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(says));
  }
  v1::DatasetManifest Inspect(const OpenOptions& options) {
    auto manifest = InspectDataset(options.data, options.targets, options.data_roots);
    EXPECT_TRUE(manifest.ok()) << manifest.status();
    return manifest.ok() ? *manifest : v1::DatasetManifest();
  }
  TempDir dir_;
};

TEST_F(BadInput, MissingPathNamesTheNearest) {
  WriteFolder(dir_.File("galaxies"), ImageFiles({{"a", 1}}));
  ExpectRefused(Options("galaxys"), "DATA_NOT_FOUND", "is galaxies");
  ExpectRefused(Options("galaxie/train"), "DATA_NOT_FOUND", "is galaxies");
}

TEST_F(BadInput, EmptyClassIsNamed) {
  std::vector<File> files = ImageFiles({{"train/a", 4}, {"train/b", 4}});
  files.push_back({"train/ring/", "", ""});
  WriteArchive(dir_.File("set.tar"), files, Pack::kTar);
  ExpectRefused(Options("set.tar"), "DATA_INVALID", "1 empty class (ring)");
  WriteFolder(dir_.File("set"), files);
  ExpectRefused(Options("set"), "DATA_INVALID", "1 empty class (ring)");
}

TEST_F(BadInput, ClassThatOnlyTheTestSplitHasIsAnEmptyClass) {
  WriteFolder(dir_.File("set"),
              ImageFiles({{"train/a", 9}, {"train/b", 9}, {"test/a", 1}, {"test/ring", 1}}));
  ExpectRefused(Options("set"), "DATA_INVALID", "empty class: ring");
}

TEST_F(BadInput, ImagesWithoutLabelsAndLabelsWithoutImagesAreCountedAndNamed) {
  std::vector<File> files;
  std::string table = "id,class\n";
  for (int i = 0; i < 20; ++i) {
    files.push_back({absl::StrCat(i, ".jpg"), MakeJpeg(20, 20, i % 6), ""});
    if (i >= 1) absl::StrAppend(&table, i, ",", i % 2 ? "a" : "b", "\n");
  }
  absl::StrAppend(&table, "77,a\n78,b\n");
  OpenOptions options = WithTable(files, table);
  ExpectRefused(options, "DATA_INVALID", "1 image without a label (0.jpg)");
  ExpectRefused(options, "DATA_INVALID",
                "2 labels without an image (77, 78). Allow it with data.unmatched: skip");
  options.data.set_unmatched(v1::Data::POLICY_SKIP);
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->count(), 19);
  EXPECT_EQ((*set)->skipped(), 3);
  EXPECT_THAT((*set)->skipped_names(), testing::UnorderedElementsAre("0.jpg", "77", "78"));
}

TEST_F(BadInput, DuplicateIdsAreRefusedEvenWithSkip) {
  OpenOptions options = WithTable(ImageFiles({{"x", 2}}), "id,class\n100,a\n101,b\n100,b\n");
  options.data.set_unmatched(v1::Data::POLICY_SKIP);
  ExpectRefused(options, "DATA_INVALID", "1 id that occurs more than once (100 (line 4))");
}

TEST_F(BadInput, TwoImagesOfOneIdAreRefused) {
  OpenOptions options = WithTable(
      {{"x/1.jpg", MakeJpeg(9, 9), ""}, {"y/1.jpg", MakeJpeg(9, 9), ""}}, "id,class\n1,a\n");
  ExpectRefused(options, "DATA_INVALID", "1 id that occurs more than once (y/1.jpg)");
}

TEST_F(BadInput, IdsThatNeverMatchAreShown) {
  ExpectRefused(WithTable(ImageFiles({{"x", 2}}), "id,class\n5.888e17,a\n"), "DATA_INVALID",
                "look like \"5.888e17\", names of images like \"100\"");
}

TEST_F(BadInput, CorruptImagesAreNamedCountedAndRefusedOrSkipped) {
  std::vector<File> files = ImageFiles({{"a", 20}, {"b", 20}});
  files[3].content.resize(files[3].content.size() / 2);
  files[25].content = "this is text, not a picture";
  WriteArchive(dir_.File("set.tar"), files, Pack::kTar);
  OpenOptions options = Options("set.tar");
  ExpectRefused(options, "DATA_INVALID",
                "2 images that cannot be decoded (a/103.jpg: premature end");
  ExpectRefused(options, "DATA_INVALID", "b/125.jpg: neither JPEG nor PNG");
  ExpectRefused(options, "DATA_INVALID", "Allow it with data.corrupt: skip");
  const v1::DatasetManifest manifest = Inspect(options);
  EXPECT_EQ(manifest.count(), 38);
  ASSERT_THAT(manifest.problems(), SizeIs(1));
  EXPECT_EQ(manifest.problems(0).kind(), "corrupt");
  EXPECT_EQ(manifest.problems(0).count(), 2);

  options.data.set_corrupt(v1::Data::POLICY_SKIP);
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->count(), 38);
  EXPECT_EQ((*set)->skipped(), 2);
  EXPECT_THAT((*set)->ids(), Not(testing::Contains("103")));
  // The others moved up with their pixels: compare with a set that never had the two.
  files.erase(files.begin() + 25);
  files.erase(files.begin() + 3);
  WriteArchive(dir_.File("clean.tar"), files, Pack::kTar);
  const auto clean = OpenDataset(Options("clean.tar"));
  EXPECT_EQ((*set)->ids(), (*clean)->ids());
  EXPECT_EQ((*set)->pixels(), (*clean)->pixels());
}

TEST_F(BadInput, TarCutShortIsRefusedWhereverItIsCut) {
  WriteArchive(dir_.File("whole.tar"), ImageFiles({{"a", 4}, {"b", 4}}), Pack::kTar);
  const std::string whole = ReadWhole(dir_.File("whole.tar"));
  const size_t used = whole.find_last_not_of('\0') + 1;
  const size_t rounded = (used + 511) / 512 * 512;
  for (const size_t size : {rounded - 512, used - 10, used - 900, used / 2, size_t{5000}}) {
    WriteWhole(dir_.File("cut.tar"), whole.substr(0, size));
    const absl::Status status = OpenDataset(Options("cut.tar")).status();
    EXPECT_EQ(ReasonOf(status), "DATA_INVALID") << size << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("cut short")) << size;
  }
}

TEST_F(BadInput, ZipAndGzipCutShortAreRefused) {
  for (const Pack pack : {Pack::kZip, Pack::kTarGz}) {
    WriteArchive(dir_.File("whole"), ImageFiles({{"a", 4}, {"b", 4}}), pack);
    const std::string whole = ReadWhole(dir_.File("whole"));
    WriteWhole(dir_.File("cut"), whole.substr(0, whole.size() * 2 / 3));
    EXPECT_EQ(ReasonOf(OpenDataset(Options("cut")).status()), "DATA_INVALID");
  }
}

TEST_F(BadInput, UnknownTargetColumnNamesTheNearest) {
  WriteWhole(dir_.File("t.csv"), "a,b,Species\n1,2,x\n3,4,y\n");
  OpenOptions options = Options("t.csv");
  options.targets.class_column = "species";
  ExpectRefused(options, "DATA_INVALID", "did you mean \"Species\"?");
}

struct BadTable {
  const char* text;
  const char* says;
};

TEST_F(BadInput, TableCellsAreNamedByFileLineAndColumn) {
  const BadTable cases[] = {
      {"a,b,c\n1,2,x\n3,,y\n", "t.csv:3: column \"b\" is empty"},
      {"a,b,c\n1,2,x\n3,4,\n", "t.csv:3: column \"c\" is empty"},
      {"a,b,c\n1,2,x\n3,n/a,y\n", "t.csv:3: column \"b\" must be a number, not \"n/a\""},
      {"a,b,c\n1,2,x\n3,1e99,y\n", "t.csv:3: column \"b\" is not finite"},
      {"a,b\n1,2\n3,4\n", "say which column"},
      {"c\nx\n", "no column besides the class"},
  };
  for (const BadTable& c : cases) {
    WriteWhole(dir_.File("t.csv"), c.text);
    ExpectRefused(Options("t.csv"), "DATA_INVALID", c.says);
  }
}

TEST_F(BadInput, LinkOutOfTheDataRootsIsRefused) {
  WriteFolder(dir_.File("secret"), ImageFiles({{"a", 2}, {"b", 2}}));
  WriteFolder(dir_.File("root"), {{"way_out", "", dir_.File("secret")}});
  OpenOptions options = Options("root/way_out");
  options.data_roots = {dir_.File("root")};
  const absl::Status status = OpenDataset(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonOf(status), "OUTSIDE_DATA_ROOTS");
  options.data.set_dataset("../secret");
  EXPECT_EQ(ReasonOf(OpenDataset(options).status()), "OUTSIDE_DATA_ROOTS");
  // Nor does an error tell what lies outside.
  options.data.set_dataset(dir_.File("secre"));
  EXPECT_EQ(ReasonOf(OpenDataset(options).status()), "OUTSIDE_DATA_ROOTS");
}

TEST_F(BadInput, LinkWithinAFolderMustNotLeadOut) {
  WriteFolder(dir_.File("secret"), {{"1.jpg", MakeJpeg(9, 9), ""}});
  std::vector<File> files = ImageFiles({{"set/a", 8}, {"set/b", 8}});
  WriteFolder(dir_.File("root"), files);
  OpenOptions options = Options("root/set");
  options.data_roots = {dir_.File("root")};
  WriteFolder(dir_.File("root"), {{"set/a/in.jpg", "", dir_.File("root/set/b/110.jpg")}});
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->count(), 17);  // A link that stays inside is an image like others.
  WriteFolder(dir_.File("root"), {{"set/a/out.jpg", "", dir_.File("secret/1.jpg")}});
  EXPECT_EQ(ReasonOf(OpenDataset(options).status()), "OUTSIDE_DATA_ROOTS");
}

TEST_F(BadInput, LoopOfLinksEnds) {
  std::vector<File> files = ImageFiles({{"a", 8}, {"b", 8}});
  files.push_back({"a/loop", "", ".."});
  WriteFolder(dir_.File("set"), files);
  const auto manifest = InspectDataset(Options("set").data, {}, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_LE(manifest->count(), 32);
}

TEST_F(BadInput, ArchiveNamesThatLeadOutAndLinksAreNotRead) {
  for (const Pack pack : {Pack::kTar, Pack::kZip}) {
    std::vector<File> files = ImageFiles({{"a", 8}, {"b", 8}});
    files.push_back({"../../evil.jpg", MakeJpeg(9, 9), ""});
    files.push_back({"/etc/evil.jpg", MakeJpeg(9, 9), ""});
    files.push_back({"a/link.jpg", "", "/etc/passwd"});
    WriteArchive(dir_.File("set"), files, pack);
    OpenOptions options = Options("set");
    ExpectRefused(options, "DATA_INVALID", "3 images that cannot be decoded");
    ExpectRefused(options, "DATA_INVALID", "leads out of the archive");
    options.data.set_corrupt(v1::Data::POLICY_SKIP);
    EXPECT_EQ((*OpenDataset(options))->count(), 16);
  }
}

TEST_F(BadInput, BombIsRefused) {
  // A header that claims 4 GB. Its size field is octal, its checksum the sum of all bytes with
  // blanks in the checksum's place.
  WriteArchive(dir_.File("small.tar"), {{"a/1.jpg", "x", ""}}, Pack::kTar);
  std::string tar = ReadWhole(dir_.File("small.tar"));
  tar.replace(124, 11, "40000000000");
  tar.replace(148, 8, 8, ' ');
  int sum = 0;
  for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[i]);
  char octal[8];
  std::snprintf(octal, sizeof(octal), "%06o", sum);
  tar.replace(148, 7, octal, 7);
  gzFile gz = gzopen(dir_.File("bomb").c_str(), "wb");
  gzwrite(gz, tar.data(), static_cast<unsigned>(tar.size()));
  gzclose(gz);
  ExpectRefused(Options("bomb"), "DATA_INVALID", "times its size");
}

TEST_F(BadInput, OtherFilesAreRefusedByWhatTheyAre) {
  WriteWhole(dir_.File("one.tar"), MakeJpeg(20, 20));
  ExpectRefused(Options("one.tar"), "DATA_INVALID", "is a single image");
  WriteWhole(dir_.File("empty.tar"), "");
  ExpectRefused(Options("empty.tar"), "DATA_INVALID", "is empty");
  WriteWhole(dir_.File("binary"), std::string("\x7f"
                                              "ELF\0\0\0\0",
                                              8));
  ExpectRefused(Options("binary"), "DATA_INVALID", "neither a folder nor");
  std::filesystem::create_directory(dir_.File("bare"));
  ExpectRefused(Options("bare"), "DATA_INVALID", "holds no JPEG or PNG images");
  WriteWhole(dir_.File("words.tar"), "no commas at all\n");
  ExpectRefused(Options("words.tar"), "DATA_INVALID", "no rows");
}

TEST_F(BadInput, ImagesOutsideClassFoldersAreNamed) {
  WriteFolder(dir_.File("loose"), {{"1.jpg", MakeJpeg(9, 9), ""}, {"2.jpg", MakeJpeg(9, 9), ""}});
  ExpectRefused(Options("loose"), "DATA_INVALID", "2 images lie in no class folder (1.jpg, 2.jpg)");
  WriteFolder(dir_.File("mixed"), ImageFiles({{"train/a", 2}, {"extra", 2}}));
  ExpectRefused(Options("mixed"), "DATA_INVALID", "mixes split folders (train)");
}

TEST_F(BadInput, UnsupportedImageFormatsAreNotSilentlyLost) {
  std::vector<File> files = ImageFiles({{"a", 8}, {"b", 8}});
  files.push_back({"a/new.gif", "GIF89a................", ""});
  WriteFolder(dir_.File("set"), files);
  ExpectRefused(Options("set"), "DATA_INVALID", "a/new.gif: GIF is not supported");
}

}  // namespace
}  // namespace skytrain::data
