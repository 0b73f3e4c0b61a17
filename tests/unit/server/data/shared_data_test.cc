// Every file of the real sets is read, and what their READMEs say of it holds. Skipped where the
// machine has none of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <regex>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/data/array_file.h"
#include "server/data/container.h"
#include "server/data/image.h"
#include "server/data/labelled_images.h"
#include "server/data/text_table.h"
#include "tests/unit/server/data/make_files.h"

namespace skytrain::data {
namespace {

using Check = std::function<void(const std::string& path)>;

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

std::string Md5(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
}

// Numbers of a column; empty and other cells are left out.
std::vector<double> Numbers(const TextTable& table, const std::string& name) {
  std::vector<double> numbers;
  const auto column = table.Column(name, "");
  EXPECT_TRUE(column.ok()) << column.status();
  for (const std::string& cell : table.columns[column.value_or(0)]) {
    double number;
    if (absl::SimpleAtod(cell, &number)) numbers.push_back(number);
  }
  return numbers;
}

double Mean(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

// Least squares: slope and intercept.
std::pair<double, double> Line(const std::vector<double>& x, const std::vector<double>& y) {
  const double mx = Mean(x), my = Mean(y);
  double xy = 0, xx = 0;
  for (size_t i = 0; i < x.size(); ++i)
    xy += (x[i] - mx) * (y[i] - my), xx += (x[i] - mx) * (x[i] - mx);
  return {xy / xx, my - xy / xx * mx};
}

std::map<std::string, int> CountsOf(const TextTable& table, const std::string& name) {
  std::map<std::string, int> counts;
  const auto column = table.Column(name, "");
  EXPECT_TRUE(column.ok()) << column.status();
  for (const std::string& cell : table.columns[column.value_or(0)]) ++counts[cell];
  return counts;
}

using TableCheck = std::function<void(const TextTable& table)>;
Check Table(size_t rows, size_t columns, TableCheck more = {}) {
  return [=](const std::string& path) {
    const auto table = ReadTable(path);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ(table->rows(), rows);
    EXPECT_EQ(table->header.size(), columns);
    if (more) more(*table);
  };
}

Check MeanIs(size_t rows, size_t columns, const std::string& name, double mean, double within) {
  return Table(rows, columns, [=](const TextTable& table) {
    EXPECT_NEAR(Mean(Numbers(table, name)), mean, within);
  });
}

Check LineIs(size_t rows, size_t columns, const std::string& x, const std::string& y, double slope,
             double intercept) {
  return Table(rows, columns, [=](const TextTable& table) {
    const auto line = Line(Numbers(table, x), Numbers(table, y));
    EXPECT_NEAR(line.first, slope, 0.001);
    EXPECT_NEAR(line.second, intercept, 0.001);
  });
}

// Decodes every image of a container.
Check Images(int count, int side) {
  return [=](const std::string& path) {
    const auto container = OpenContainer(path, {});
    ASSERT_TRUE(container.ok()) << container.status();
    std::vector<size_t> wanted((*container)->entries().size());
    std::iota(wanted.begin(), wanted.end(), size_t{0});
    EXPECT_EQ(static_cast<int>(wanted.size()), count);
    const absl::Status read = (*container)->Read(wanted, 1, [&](size_t, absl::string_view bytes) {
      const auto size = ReadImageSize(bytes);
      EXPECT_TRUE(size.ok()) << size.status();
      EXPECT_EQ(size->width, side);
      EXPECT_EQ(size->height, side);
      return size.ok();
    });
    EXPECT_TRUE(read.ok()) << read;
  };
}

Check Image(int side) {
  return [=](const std::string& path) {
    std::vector<uint8_t> canvas(size_t{3} * 16 * 16);
    View view;
    view.size = 16;
    const auto size = DecodeToCanvas(BytesOf(path), view, canvas.data());
    ASSERT_TRUE(size.ok()) << size.status();
    EXPECT_EQ(size->width, side);
    EXPECT_EQ(size->height, side);
    EXPECT_GT(*std::max_element(canvas.begin(), canvas.end()), 40);
  };
}

// Each array as "name, type (shape)"; the MD5 of the first one's numbers where it is given.
Check Arrays(std::vector<std::string> arrays, const std::string& md5 = "") {
  return [=](const std::string& path) {
    const auto file = OpenArrayFile(path);
    ASSERT_TRUE(file.ok()) << file.status();
    std::vector<std::string> found;
    std::string first, numbers;
    for (const ArrayInfo& array : (*file)->arrays()) {
      found.push_back(array.ToString());
      ASSERT_TRUE((*file)->ReadRows(array, 0, array.rows(), numbers).ok());
      EXPECT_EQ(numbers.size(), array.rows() * array.row_bytes());
      if (first.empty()) first = numbers;
    }
    EXPECT_EQ(found, arrays);
    if (!md5.empty()) {
      EXPECT_EQ(Md5(first), md5);
    }
  };
}

// The file behind gzip, header and all.
Check IdxIs(const std::string& array, const std::string& header, const std::string& md5) {
  return [=](const std::string& path) {
    const auto file = OpenArrayFile(path);
    ASSERT_TRUE(file.ok()) << file.status();
    const ArrayInfo& info = (*file)->arrays()[0];
    EXPECT_EQ(info.ToString(), array);
    std::string numbers;
    ASSERT_TRUE((*file)->ReadRows(info, 0, info.rows(), numbers).ok());
    EXPECT_EQ(Md5(absl::HexStringToBytes(header) + numbers), md5);
  };
}

Check Shards(size_t images, size_t columns, bool parquet) {
  return [=](const std::string& path) {
    const auto set = parquet ? ImagesOfParquet(path) : ImagesOfShard(path);
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_EQ(set->ids.size(), images);
    EXPECT_EQ(set->table.header.size(), columns);
    EXPECT_TRUE(set->problems.empty());
    for (const auto& column : set->table.columns) {
      EXPECT_EQ(std::count(column.begin(), column.end(), ""), 0);
    }
  };
}

// The identities of the decision tree that the README names, and the measure of the mean.
void CheckVotes(const TextTable& table, double mean_rmse) {
  const auto c = [&](const char* name) { return Numbers(table, absl::StrCat("Class", name)); };
  const auto smooth = c("1.1"), disk = c("1.2"), star = c("1.3"), edge = c("2.1"), face = c("2.2");
  for (size_t r = 0; r < table.rows(); ++r) {
    EXPECT_NEAR(smooth[r] + disk[r] + star[r], 1, 2e-6);
    EXPECT_NEAR(edge[r] + face[r], disk[r], 2e-6);
  }
  double squares = 0;
  for (size_t column = 1; column < table.header.size(); ++column) {
    const std::vector<double> votes = Numbers(table, table.header[column]);
    ASSERT_EQ(votes.size(), table.rows());
    const double mean = Mean(votes);
    for (const double vote : votes) squares += (vote - mean) * (vote - mean);
  }
  if (mean_rmse > 0) {
    EXPECT_NEAR(std::sqrt(squares / (37.0 * static_cast<double>(table.rows()))), mean_rmse, 5e-5);
  }
}

const std::vector<std::pair<const char*, Check>>& Rows() {
  static const std::vector<std::pair<const char*, Check>> rows = {
      {"(.*/)?README\\.md", [](const std::string& path) { EXPECT_FALSE(BytesOf(path).empty()); }},
      {"gz1-small/smallGZ1\\.tar", Images(5331, 423)},
      {"gz1-small/smallCSV_class\\.csv",
       Table(5331, 2,
             [](const TextTable& t) {
               EXPECT_EQ(
                   CountsOf(t, "CLASS"),
                   (std::map<std::string, int>{
                       {"0", 3716}, {"1", 331}, {"2", 349}, {"3", 798}, {"4", 45}, {"5", 92}}));
               EXPECT_EQ(t.cell(0, 0), "588848901537202306");
             })},
      {"gz2-kaggle5/gz2_kaggle5\\.tar", Images(2434, 424)},
      {"gz2-kaggle5/labels\\.csv",
       Table(2434, 4,
             [](const TextTable& t) {
               EXPECT_EQ(CountsOf(t, "Label"),
                         (std::map<std::string, int>{
                             {"0", 556}, {"1", 547}, {"2", 41}, {"3", 250}, {"4", 1040}}));
               EXPECT_EQ(CountsOf(t, "Split"),
                         (std::map<std::string, int>{{"train", 1974}, {"val", 460}}));
             })},
      {"kaggle-challenge-mini/images_training_rev1\\.zip", Images(180, 424)},
      {"kaggle-challenge-mini/training_solutions_rev1\\.csv",
       Table(180, 38, [](const TextTable& t) { CheckVotes(t, 0); })},
      {"kaggle-challenge-mini/training_solutions_first500\\.csv",
       Table(500, 38, [](const TextTable& t) { CheckVotes(t, 0.1637); })},
      {"decals-rings/images\\.tar", Images(370, 424)},
      {"decals-rings/ring_catalog\\.csv",
       Table(370, 6,
             [](const TextTable& t) {
               EXPECT_EQ(CountsOf(t, "ring"), (std::map<std::string, int>{{"0", 185}, {"1", 185}}));
             })},
      {"decals-rings/png_originals/J.*\\.png", Image(424)},
      {"galaxy10-decals-mini/images/class_[0-9]_[0-9]\\.jpg", Image(256)},
      {"galaxy10-decals-mini/Galaxy10_DECals_mini\\.h5",
       Arrays({"ans, uint8 (100)", "images, uint8 (100, 256, 256, 3)"})},
      {"galaxy10-decals-mini/classes\\.csv", Table(10, 2)},
      {"formats/galaxymnist-layout/train_dataset\\.hdf5\\.gz",
       Arrays({"images, uint8 (1974, 64, 64, 3)", "labels, uint8 (1974)"})},
      {"formats/galaxymnist-layout/test_dataset\\.hdf5\\.gz",
       Arrays({"images, uint8 (460, 64, 64, 3)", "labels, uint8 (460)"})},
      {"formats/gz2_kaggle5_val_64px\\.npz",
       Arrays({"images, uint8 (200, 64, 64, 3)", "labels, int64 (200)"})},
      {"formats/gz2_kaggle5_val_labels\\.npy", Arrays({"int64 (200)"})},
      {"formats/hf-parquet/train-0000[01]-of-00002\\.parquet", Shards(987, 3, true)},
      {"formats/hf-parquet/test-00000-of-00001\\.parquet", Shards(460, 3, true)},
      {"formats/hf-parquet/votes37-00000-of-00001\\.parquet", Shards(180, 38, true)},
      {"formats/hf-parquet/catalog_votes37_noimages\\.parquet",
       Table(180, 38, [](const TextTable& t) { CheckVotes(t, 0); })},
      {"formats/webdataset/gz2mini_train_[012]_60\\.tar", Shards(60, 37, false)},
      {"formats/fits/[0-9]+_[gr]band\\.fits", Image(256)},
      {"formats/fits/legacy_grz_162px\\.fits", Image(162)},
      {"formats/fits/legacy_grz_509px\\.fits", Image(509)},
      {"formats/fits/Abell2670_catalogue_test\\.csv", Table(5, 64)},
      {"mnist-t10k/t10k-images-idx3-ubyte\\.gz",
       IdxIs("uint8 (10000, 28, 28)", "00000803000027100000001c0000001c",
             "2646ac647ad5339dbf082846283269ea")},
      {"mnist-t10k/t10k-labels-idx1-ubyte\\.gz",
       IdxIs("uint8 (10000)", "0000080100002710", "27ae3e4e09519cfbb04c329615203637")},
      {"toy/iris\\.csv", MeanIs(150, 5, "Sepal.Length", 5.843333, 1e-6)},
      {"toy/old_faithful\\.csv", Table(272, 2,
                                       [](const TextTable& t) {
                                         EXPECT_NEAR(Mean(Numbers(t, "eruptions")), 3.487783, 1e-6);
                                         EXPECT_NEAR(Mean(Numbers(t, "waiting")), 70.89706, 1e-5);
                                       })},
      {"toy/hubble_1929\\.csv", LineIs(24, 3, "distance_mpc", "velocity_km_s", 454.158, -40.784)},
      {"toy/hubble_key_project_2001\\.csv", Table(24, 3)},
      {"toy/galaxies_velocity\\.csv", MeanIs(82, 1, "velocity_km_s", 20828.17, 0.005)},
      {"toy/sunspot_year\\.csv", Table(289, 2,
                                       [](const TextTable& t) {
                                         EXPECT_EQ(t.cell(0, 0), "1700");
                                         EXPECT_EQ(t.cell(288, 0), "1988");
                                       })},
      {"toy/sunspots_monthly_1749_1983\\.csv", Table(2820, 2)},
      {"toy/cars\\.csv", LineIs(50, 2, "speed", "dist", 3.9324, -17.579)},
      {"toy/anscombe\\.csv", Table(11, 8)},
      {"toy/diabetes\\.csv", MeanIs(442, 11, "target", 152.133, 0.0005)},
      {"toy/digits_8x8\\.csv", Table(1797, 65,
                                     [](const TextTable& t) {
                                       for (const double pixel : Numbers(t, "pixel_3_3")) {
                                         EXPECT_TRUE(pixel >= 0 && pixel <= 16);
                                       }
                                     })},
      {"toy/who_life_expectancy\\.csv",
       Table(2938, 22,
             [](const TextTable& t) {
               EXPECT_TRUE(t.Column("Life expectancy", "").ok());  // A blank at its end.
               EXPECT_LT(Numbers(t, "Alcohol").size(), t.rows());  // Empty cells.
             })},
      {"toy/schaeffer_polyreg_n15_mse\\.csv",
       Table(900, 5,
             [](const TextTable& t) {
               std::map<int, std::vector<double>> errors;
               const auto sizes = Numbers(t, "Num. Parameters (Num Features)");
               const auto test = Numbers(t, "Test MSE");
               ASSERT_EQ(sizes.size(), test.size());
               for (size_t r = 0; r < sizes.size(); ++r)
                 errors[static_cast<int>(sizes[r])].push_back(test[r]);
               int peak = 0;
               double highest = 0;
               for (auto& [size, of_size] : errors) {
                 std::sort(of_size.begin(), of_size.end());
                 const double median = of_size[of_size.size() / 2];
                 if (median > highest) highest = median, peak = size;
               }
               EXPECT_EQ(peak, 15);
             })},
  };
  return rows;
}

TEST(SharedData, EveryFileIsReadAndIsAsItsReadmeSays) {
  const std::string root = RealData("");
  if (root.empty()) GTEST_SKIP() << "the real sets are not on this machine";
  std::vector<bool> used(Rows().size());
  for (const auto& file : std::filesystem::recursive_directory_iterator(root)) {
    if (!file.is_regular_file()) continue;
    const std::string name = std::filesystem::relative(file.path(), root).string();
    SCOPED_TRACE(name);
    const auto row = std::find_if(Rows().begin(), Rows().end(), [&](const auto& r) {
      return std::regex_match(name, std::regex(r.first));
    });
    if (row == Rows().end()) {
      ADD_FAILURE() << "no row reads it";
      continue;
    }
    used[row - Rows().begin()] = true;
    row->second(file.path().string());
  }
  for (size_t r = 0; r < used.size(); ++r) EXPECT_TRUE(used[r]) << "no file: " << Rows()[r].first;
}

}  // namespace
}  // namespace skytrain::data
