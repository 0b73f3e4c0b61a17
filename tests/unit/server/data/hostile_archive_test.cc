// Archives that were made to harm: each is refused, or the member left out, with its own words and
// before anything is unpacked or any memory taken for it.
#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/sanitizers.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::HasSubstr;

// One member of an archive, as hostile as libarchive can write it.
struct Member {
  std::string name;
  std::string content;
  int type = AE_IFREG;
  std::string link = {};  // Symbolic; with `hard` a hard one.
  bool hard = false;
};

class HostileArchive : public testing::Test {
 protected:
  enum class Form { kTar, kTarGz, kZip };

  void Write(const std::vector<Member>& members, Form form, const std::string& name = "set") {
    archive* a = archive_write_new();
    if (form == Form::kZip) {
      archive_write_set_format_zip(a);
    } else {
      archive_write_set_format_pax_restricted(a);
    }
    if (form == Form::kTarGz) archive_write_add_filter_gzip(a);
    ASSERT_EQ(archive_write_open_filename(a, dir_.File(name).c_str()), ARCHIVE_OK);
    for (const Member& member : members) {
      archive_entry* entry = archive_entry_new();
      archive_entry_set_pathname(entry, member.name.c_str());
      archive_entry_set_filetype(entry, member.type);
      archive_entry_set_perm(entry, 0644);
      archive_entry_set_size(entry, static_cast<int64_t>(member.content.size()));
      if (member.hard) archive_entry_set_hardlink(entry, member.link.c_str());
      if (!member.hard && !member.link.empty()) {
        archive_entry_set_symlink(entry, member.link.c_str());
      }
      archive_write_header(a, entry);
      archive_write_data(a, member.content.data(), member.content.size());
      archive_entry_free(entry);
    }
    archive_write_close(a);
    archive_write_free(a);
  }

  // Twenty good images beside `members`.
  std::vector<Member> WithGood(std::vector<Member> members) {
    for (const File& file : ImageFiles({{"a", 10}, {"b", 10}})) {
      members.push_back({file.path, file.content});
    }
    return members;
  }

  absl::Status Open(const std::string& name = "set") {
    return OpenDataset(OptionsFor(dir_.File(name), dir_.File("cache"))).status();
  }
  void ExpectRefused(const std::string& says, const std::string& name = "set") {
    const absl::Status status = Open(name);
    EXPECT_EQ(ReasonOf(status), "DATA_INVALID") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(says));
    EXPECT_LT(status.message().size(), 3000u);
  }

  TempDir dir_;
};

TEST_F(HostileArchive, EachKindOfMemberThatIsNoImageIsNamed) {
  const std::string image = MakeJpeg(20, 20);
  struct Case {
    Member member;
    const char* says;
    bool zip;  // A zip can hold it too.
  };
  const Case cases[] = {
      {{"../../up.jpg", image}, "leads out of the archive", true},
      {{"a/../../up.jpg", image}, "leads out of the archive", true},
      {{"/root.jpg", image}, "leads out of the archive", true},
      {{"a/link.jpg", "", AE_IFLNK, "/etc/passwd"}, "it is a link", true},
      {{"a/hard.jpg", "", AE_IFREG, "a/100.jpg", true}, "it is a link", false},
      {{"a/" + std::string(200'000, 'x') + ".jpg", image},
       "1 image that cannot be decoded (a/xxx",
       false},
      {{"a/\xff\xfe.jpg", image}, "its name is not UTF-8", false},
      {{"a/text.jpg", "no picture"}, "neither JPEG nor PNG", true},
      {{"a/empty.jpg", ""}, "empty file", true},
  };
  for (const Case& c : cases) {
    for (const Form form : {Form::kTar, Form::kTarGz, Form::kZip}) {
      if (form == Form::kZip && !c.zip) continue;
      Write(WithGood({c.member}), form);
      ExpectRefused(c.says);
    }
  }
}

TEST_F(HostileArchive, DevicesAndPipesAreNotEvenLookedAt) {
  Write(
      WithGood(
          {{"a/dev.jpg", "", AE_IFCHR}, {"a/block.jpg", "", AE_IFBLK}, {"a/p.jpg", "", AE_IFIFO}}),
      Form::kTar);
  EXPECT_TRUE(Open().ok()) << Open();
}

TEST_F(HostileArchive, OfAMemberThatIsThereTwiceTheLaterOneCounts) {
  // As after `tar --append`.
  Write(WithGood({{"a/100.jpg", "an earlier one, which is no picture"}}), Form::kTar);
  EXPECT_TRUE(Open().ok()) << Open();
}

TEST_F(HostileArchive, LongRowOfDotsInANameTakesNoTime) {
  std::string name;
  for (int i = 0; i < 400'000; ++i) name += "./";
  Write(WithGood({{name + "a/dots.jpg", MakeJpeg(9, 9)}}), Form::kTar);
  EXPECT_TRUE(Open().ok()) << Open();
}

TEST_F(HostileArchive, BombsAreRefusedByWhatTheyUnpackTo) {
  // Of zeros: 300 MB in 300 KB, and that several times.
  const std::string zeros(250 << 20, '\0');
  Write({{"a/1.jpg", zeros},
         {"a/2.jpg", zeros},
         {"a/3.jpg", zeros},
         {"a/4.jpg", zeros},
         {"a/5.jpg", zeros}},
        Form::kTarGz);
  ExpectRefused("times its size");
  Write({{"a/1.jpg", std::string(257 << 20, '\0')}, {"b/2.jpg", MakeJpeg(9, 9)}}, Form::kTarGz);
  ExpectRefused("larger than 268,435,456 bytes");
}

TEST_F(HostileArchive, ArchiveWithinAnArchiveStaysPacked) {
  Write(WithGood({}), Form::kZip, "inner");
  Write(WithGood({{"a/inner.zip", ReadWhole(dir_.File("inner"))}}), Form::kZip);
  const auto manifest = InspectDataset(OptionsFor(dir_.File("set"), "").data, {}, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 20);
}

TEST_F(HostileArchive, EveryCutOfAnArchiveIsRefusedOrNamed) {
  for (const Form form : {Form::kTar, Form::kTarGz, Form::kZip}) {
    Write(WithGood({}), form, "whole");
    const std::string whole = ReadWhole(dir_.File("whole"));
    const size_t used = whole.find_last_not_of('\0');
    for (size_t size = 0; size < used * 9 / 10; size += used / 37 + 1) {
      WriteWhole(dir_.File("cut"), whole.substr(0, size));
      const absl::Status status = Open("cut");
      // A tar that ends between two files is one with fewer files; its want of an end mark is said.
      if (status.ok() && form == Form::kTar && size % 512 == 0) continue;
      EXPECT_EQ(ReasonOf(status), "DATA_INVALID")
          << static_cast<int>(form) << " " << size << status;
    }
  }
}

TEST_F(HostileArchive, TarWithoutItsEndMarkIsTakenWithAWarning) {
  WriteArchive(dir_.File("whole.tar"), ImageFiles({{"a", 4}, {"b", 4}}), Pack::kTar);
  const std::string whole = ReadWhole(dir_.File("whole.tar"));
  const size_t used = (whole.find_last_not_of('\0') + 512) / 512 * 512;
  WriteWhole(dir_.File("set"), whole.substr(0, used));
  const auto manifest = InspectDataset(OptionsFor(dir_.File("set"), "").data, {}, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  ASSERT_EQ(manifest->problems_size(), 1);
  EXPECT_EQ(manifest->problems(0).kind(), "archive_warning");
  EXPECT_THAT(manifest->problems(0).names(0), HasSubstr("no end mark"));
  const auto set = OpenDataset(OptionsFor(dir_.File("set"), dir_.File("cache")));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->count(), 8);
  EXPECT_EQ((*set)->skipped(), 0);
}

TEST_F(HostileArchive, ImagesThatClaimAbsurdSizesTakeNoMemory) {
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  std::string png = MakePng(8, 8, /*RGB*/ 2, 8);
  for (const auto& [width, height] : std::vector<std::pair<uint32_t, uint32_t>>{
           {0xffffffff, 0xffffffff}, {0x7fffffff, 1}, {16'384, 16'384}, {0, 5}}) {
    for (int i = 0; i < 4; ++i) {
      png[16 + i] = static_cast<char>(width >> (24 - 8 * i));
      png[20 + i] = static_cast<char>(height >> (24 - 8 * i));
    }
    const uint32_t crc = crc32(0, reinterpret_cast<const unsigned char*>(png.data()) + 12, 17);
    for (int i = 0; i < 4; ++i) png[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
    Write(WithGood({{"a/huge.png", png}}), Form::kTar);
    ExpectRefused("1 image that cannot be decoded (a/huge.png");
  }
  std::string jpeg = MakeJpeg(20, 20);
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\xff\xff\xff");
  Write(WithGood({{"a/huge.jpg", jpeg}}), Form::kTar);
  ExpectRefused("1 image that cannot be decoded (a/huge.jpg");
  getrusage(RUSAGE_SELF, &after);
  if (!kSanitized) {
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 200 << 10);  // KiB.
  }
}

}  // namespace
}  // namespace skytrain::data
