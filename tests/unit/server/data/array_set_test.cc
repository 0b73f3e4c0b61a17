// Sets of arrays: HDF5, npz, npy, idx, real ones where the machine has them, and what goes wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <zlib.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/data/array_file.h"
#include "server/data/dataset.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void WriteGzip(const std::string& path, const std::string& bytes) {
  const gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), bytes.size()), static_cast<int>(bytes.size()));
  ASSERT_EQ(gzclose(file), Z_OK);
}

// As numpy writes it.
std::string Npy(const std::string& descr, const std::string& shape, const std::string& numbers,
                const std::string& order = "False") {
  std::string header = absl::StrCat("{'descr': '", descr, "', 'fortran_order': ", order,
                                    ", 'shape': ", shape, ", }");
  header.append(63 - (10 + header.size()) % 64, ' ').push_back('\n');
  return absl::StrCat(
      absl::string_view("\x93NUMPY\x01\x00", 8),
      std::string{static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)},
      header, numbers);
}

std::string Idx(int type, const std::vector<int>& sides, const std::string& numbers) {
  std::string bytes{0, 0, static_cast<char>(type), static_cast<char>(sides.size())};
  for (const int side : sides) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(side >> shift));
  }
  return bytes + numbers;
}

// `n` images of one value each: 10, 20, 30, …
std::string Flat(int n, int numbers_each) {
  std::string all;
  for (int i = 1; i <= n; ++i) all.append(numbers_each, static_cast<char>(10 * i));
  return all;
}

absl::StatusOr<v1::DatasetManifest> Inspect(const std::string& path) {
  v1::Data data;
  data.set_dataset(path);
  return InspectDataset(data, {}, {});
}

std::vector<std::string> Counts(const v1::DatasetManifest& manifest) {
  std::vector<std::string> counts;
  for (const auto& c : manifest.classes()) counts.push_back(absl::StrCat(c.name(), ":", c.count()));
  return counts;
}

class ArraySets : public testing::Test {
 protected:
  // Every problem names the file.
  void ExpectRefused(const std::string& name, const std::string& why) {
    const auto manifest = Inspect(dir_.File(name));
    ASSERT_FALSE(manifest.ok()) << name;
    EXPECT_THAT(std::string(manifest.status().message()), HasSubstr(why));
    EXPECT_THAT(std::string(manifest.status().message()), HasSubstr(name));
  }

  std::unique_ptr<Dataset> Open(const std::string& name, int size = 8) {
    auto set = OpenDataset(OptionsFor(dir_.File(name), dir_.File("cache"), size));
    EXPECT_TRUE(set.ok()) << set.status();
    return set.ok() ? std::move(*set) : nullptr;
  }

  // The first number of each image's first pixel.
  static std::vector<int> FirstPixels(const Dataset& set) {
    std::vector<int> values;
    const size_t stride = set.pixels().size() / set.count();
    for (int64_t i = 0; i < set.count(); ++i) values.push_back(set.pixels()[i * stride]);
    return values;
  }

  TempDir dir_;
};

TEST_F(ArraySets, NpzHoldsImagesAndLabels) {
  WriteArchive(dir_.File("a.npz"),
               {{"images.npy", Npy("|u1", "(4, 8, 8, 3)", Flat(4, 192)), ""},
                {"labels.npy",
                 Npy("<i8", "(4,)",
                     std::string("\5\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"
                                 "\5\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
                                 32)),
                 ""}},
               Pack::kZip);
  const auto set = Open("a.npz");
  ASSERT_NE(set, nullptr);
  EXPECT_THAT(set->classes(), ElementsAre("-1", "2", "5"));
  EXPECT_THAT(std::vector<int>(set->labels().begin(), set->labels().end()),
              ElementsAre(2, 1, 2, 0));
  EXPECT_THAT(FirstPixels(*set), ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(set->ids(), ElementsAre("0", "1", "2", "3"));
}

TEST_F(ArraySets, PositionsAreTheArraysOfThatName) {
  const auto bytes = [](const auto& numbers) {
    return std::string(reinterpret_cast<const char*>(numbers.data()), sizeof(numbers));
  };
  const std::array<double, 2> ra = {187.70593076, 0.25};
  const std::array<float, 2> dec = {-12.5F, 89.75F};
  WriteArchive(dir_.File("sky.npz"),
               {{"dec.npy", Npy("<f4", "(2,)", bytes(dec)), ""},
                {"images.npy", Npy("|u1", "(2, 8, 8, 3)", Flat(2, 192)), ""},
                {"labels.npy", Npy("|u1", "(2,)", "\1\1"), ""},
                {"ra.npy", Npy("<f8", "(2,)", bytes(ra)), ""}},
               Pack::kZip);
  const auto set = Open("sky.npz");
  ASSERT_NE(set, nullptr);
  EXPECT_THAT(set->positions(), ElementsAre(187.70593076, -12.5, 0.25, 89.75));
  EXPECT_THAT(set->classes(), ElementsAre("1"));
}

TEST_F(ArraySets, ImagesToPredictNeedNoLabels) {
  Write(dir_.File("new.npy"), Npy("|u1", "(2, 8, 8, 3)", Flat(2, 192)));
  WriteArchive(dir_.File("both.npz"),
               {{"images.npy", Npy("|u1", "(3, 8, 8, 3)", Flat(3, 192)), ""},
                {"labels.npy", Npy("|u1", "(2,)", "\1\2"), ""}},  // Nobody looks at them.
               Pack::kZip);
  std::filesystem::create_directories(dir_.File("mnist"));
  Write(dir_.File("mnist/t10k-images-idx3-ubyte"), Idx(8, {2, 8, 8}, Flat(2, 64)));
  Write(dir_.File("mnist/t10k-labels-idx1-ubyte"), Idx(8, {2}, "\1\2"));
  for (const auto& [name, count] : {std::pair("new.npy", 2), {"both.npz", 3}, {"mnist", 2}}) {
    OpenOptions options = OptionsFor(dir_.File(name), dir_.File("cache"), 8);
    options.targets.unlabelled = true;
    options.evaluation = true;
    const auto set = OpenDataset(options);
    ASSERT_TRUE(set.ok()) << name << ": " << set.status();
    EXPECT_EQ((*set)->test().size(), count) << name;
    EXPECT_EQ(FirstPixels(**set).front(), 10) << name;
    EXPECT_FALSE((*set)->labelled()) << name;
  }
}

TEST_F(ArraySets, ChannelsMayComeFirstOrBeOne) {
  std::string planes;  // One image: red 1, green 2, blue 3.
  for (const char value : {1, 2, 3}) planes.append(64, value);
  Write(dir_.File("train_images.npy"), Npy("|u1", "(1, 3, 8, 8)", planes));
  Write(dir_.File("train_labels.npy"), Npy("|u1", "(1,)", "\7"));
  std::filesystem::create_directory(dir_.File("pair"));
  for (const char* name : {"train_images.npy", "train_labels.npy"}) {
    std::filesystem::rename(dir_.File(name), dir_.File(absl::StrCat("pair/", name)));
  }
  OpenOptions options = OptionsFor(dir_.File("pair"), dir_.File("cache"), 8);
  options.evaluation = true;
  options.classes = {"7"};  // As in evaluation: one sample cannot be split.
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT(std::vector<int>((*set)->pixels().begin(), (*set)->pixels().begin() + 4),
              ElementsAre(1, 2, 3, 1));
}

TEST_F(ArraySets, FilesOfAFolderAreSplitsByTheirNames) {
  for (const auto& [split, n] : {std::pair("train", 3), {"t10k", 2}}) {
    const std::string prefix = dir_.File(absl::StrCat("mnist/", split));
    std::filesystem::create_directories(dir_.File("mnist"));
    WriteGzip(prefix + "-images-idx3-ubyte.gz", Idx(8, {n, 8, 8}, Flat(n, 64)));
    Write(prefix + "-labels-idx1-ubyte", Idx(8, {n}, std::string("\0\1\0", n)));
  }
  Write(dir_.File("mnist/README.md"), "words\n");
  const auto manifest = Inspect(dir_.File("mnist"));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_THAT(Counts(*manifest), ElementsAre("0:3", "1:2"));
  ASSERT_EQ(manifest->splits_size(), 2);
  EXPECT_EQ(manifest->splits(0).name(), "test");
  EXPECT_EQ(manifest->splits(0).count(), 2);
  EXPECT_EQ(manifest->min_width(), 8);
}

TEST_F(ArraySets, WhatIsWrongIsNamed) {
  const std::string good = Npy("|u1", "(2, 8, 8, 3)", Flat(2, 192));
  const std::string labels = Npy("|u1", "(2,)", std::string("\0\1", 2));
  const auto npz = [&](const std::string& name, const std::string& images,
                       const std::string& label) {
    WriteArchive(dir_.File(name), {{"images.npy", images, ""}, {"labels.npy", label, ""}},
                 Pack::kZip);
  };
  npz("rows.npz", good, Npy("|u1", "(3,)", std::string("\0\1\1", 3)));
  ExpectRefused("rows.npz", "do not match");
  npz("float.npz", Npy("<f4", "(1, 8, 8, 3)", std::string(768, '\0')), labels);
  ExpectRefused("float.npz", "images, float32 (1, 8, 8, 3) cannot be read as images");
  npz("text.npz", good, Npy("<U3", "(2,)", std::string(24, 'a')));
  ExpectRefused("text.npz", "not supported");
  npz("real.npz", good, Npy("<f8", "(2,)", std::string(16, '\0')));
  ExpectRefused("real.npz", "does not hold whole numbers");
  npz("fortran.npz", Npy("|u1", "(2, 8, 8, 3)", Flat(2, 192), "True"), labels);
  ExpectRefused("fortran.npz", "Fortran order");
  npz("lies.npz", Npy("|u1", "(2000000, 8, 8, 3)", Flat(2, 192)), labels);
  ExpectRefused("lies.npz", "does not fill");
  npz("overflow.npz", Npy("|u1", "(4294967296, 4294967296, 3)", ""), labels);
  ExpectRefused("overflow.npz", "too large");
  npz("none.npz", Npy("|u1", "(0, 8, 8, 3)", ""), labels);
  ExpectRefused("none.npz", "no numbers");
  WriteArchive(dir_.File("alone.npz"), {{"images.npy", good, ""}}, Pack::kZip);
  ExpectRefused("alone.npz", "has no array \"labels\"; it holds images, uint8 (2, 8, 8, 3)");
  Write(dir_.File("cut.npy"), good.substr(0, good.size() - 1));
  ExpectRefused("cut.npy", "is cut short");
  Write(dir_.File("header.npy"), good.substr(0, 40));
  ExpectRefused("header.npy", "cut short");
  Write(dir_.File("cut-idx3"), Idx(8, {1000, 28, 28}, "abc"));
  ExpectRefused("cut-idx3", "is cut short");
  const std::string whole = Idx(8, {2, 8, 8}, Flat(2, 64));
  WriteGzip(dir_.File("cut.gz"), whole);
  std::filesystem::resize_file(dir_.File("cut.gz"),
                               std::filesystem::file_size(dir_.File("cut.gz")) - 6);
  ExpectRefused("cut.gz", "cannot be unpacked: it is cut short");
  std::filesystem::create_directory(dir_.File("half"));
  Write(dir_.File("half/train-images.npy"), good);
  Write(dir_.File("half/test-labels.npy"), labels);
  ExpectRefused("half", "one file of images and one of labels");
}

// What HDF5 can say that a reader must not believe.
TEST_F(ArraySets, Hdf5IsNotBelieved) {
  const auto make = [&](const std::string& name, auto&& fill) {
    const hid_t file = H5Fcreate(dir_.File(name).c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t sides[4] = {2, 8, 8, 3};
    fill(file, creation, sides);
    const hid_t space = H5Screate_simple(4, sides, nullptr);
    const hid_t set =
        H5Dcreate2(file, "images", H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    ASSERT_GE(set, 0) << name;
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(creation);
    H5Fclose(file);
  };
  make("empty.h5", [](hid_t, hid_t, hsize_t* sides) { sides[0] = 1'000'000'000; });
  ExpectRefused("empty.h5", "too few for that many numbers");
  make("elsewhere.h5",
       [](hid_t, hid_t creation, hsize_t*) { H5Pset_external(creation, "/etc/passwd", 0, 384); });
  ExpectRefused("elsewhere.h5", "lies in another file");
  make("link.h5", [](hid_t file, hid_t, hsize_t*) {
    H5Lcreate_external("/etc/other.h5", "labels", file, "labels", H5P_DEFAULT, H5P_DEFAULT);
  });
  ExpectRefused("link.h5", "link.h5");
  Write(dir_.File("cut.h5"), "\x89HDF\r\n\x1a\n and no more");
  ExpectRefused("cut.h5", "cannot be opened as HDF5");
}

TEST_F(ArraySets, Galaxy10) {
  const std::string path = RealData("galaxy10-decals-mini/Galaxy10_DECals_mini.h5");
  if (path.empty()) GTEST_SKIP() << "galaxy10-decals-mini is not on this machine";
  OpenOptions options = OptionsFor(path, dir_.File("cache"), 256);
  const auto set = OpenDataset(options);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_THAT(Counts((*set)->manifest()), ElementsAre("0:10", "1:10", "2:10", "3:10", "4:10",
                                                      "5:10", "6:10", "7:10", "8:10", "9:10"));
  EXPECT_EQ((*set)->manifest().min_width(), 256);
  // At its own size the canvas is the array, number by number.
  const auto file = OpenArrayFile(path);
  ASSERT_TRUE(file.ok()) << file.status();
  std::string rows;
  ASSERT_TRUE((*file)->ReadRows(*(*file)->Find("images"), 0, 100, rows).ok());
  ASSERT_EQ(rows.size(), (*set)->pixels().size());
  EXPECT_TRUE(std::equal(rows.begin(), rows.end(), (*set)->pixels().begin(),
                         [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; }));
}

TEST_F(ArraySets, GalaxyMnistLayout) {
  const std::string path = RealData("formats/galaxymnist-layout");
  if (path.empty()) GTEST_SKIP() << "formats is not on this machine";
  const auto manifest = Inspect(path);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 1974 + 460);
  EXPECT_THAT(Counts(*manifest), ElementsAre("0:556", "1:547", "2:41", "3:250", "4:1040"));
  ASSERT_EQ(manifest->splits_size(), 2);
  EXPECT_EQ(manifest->splits(0).count(), 460);
  EXPECT_EQ(manifest->splits(1).count(), 1974);
}

TEST_F(ArraySets, Mnist) {
  const std::string path = RealData("mnist-t10k");
  if (path.empty()) GTEST_SKIP() << "mnist-t10k is not on this machine";
  const auto set = OpenDataset(OptionsFor(path, dir_.File("cache"), 28));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ((*set)->count(), 10000);
  EXPECT_THAT((*set)->classes(), SizeIs(10));
  EXPECT_THAT(std::vector<int>((*set)->labels().begin(), (*set)->labels().begin() + 10),
              ElementsAre(7, 2, 1, 0, 4, 1, 4, 9, 5, 9));
  EXPECT_THAT((*set)->manifest().splits(), IsEmpty());
}

TEST_F(ArraySets, RealNpz) {
  const std::string path = RealData("formats/gz2_kaggle5_val_64px.npz");
  if (path.empty()) GTEST_SKIP() << "formats is not on this machine";
  const auto manifest = Inspect(path);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->count(), 200);
  EXPECT_EQ(manifest->max_height(), 64);
  const auto labels = OpenArrayFile(RealData("formats/gz2_kaggle5_val_labels.npy"));
  ASSERT_TRUE(labels.ok()) << labels.status();
  const auto numbers = ReadIntegers(**labels, (*labels)->arrays()[0]);
  ASSERT_TRUE(numbers.ok()) << numbers.status();
  const auto npz = OpenArrayFile(path);
  ASSERT_TRUE(npz.ok()) << npz.status();
  const auto inside = ReadIntegers(**npz, *(*npz)->Find("labels"));
  ASSERT_TRUE(inside.ok()) << inside.status();
  EXPECT_TRUE(std::equal(inside->begin(), inside->end(), numbers->begin()));
}

}  // namespace
}  // namespace skytrain::data
