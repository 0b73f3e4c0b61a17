#include "server/datasets/dataset_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/timestamp.h"
#include "google/rpc/error_details.pb.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const DatasetRegistry::Viewer kAna = {"ana", false}, kBen = {"ben", false}, kRoot = {"root", true};

// With a probe that is a shell script: it answers the file "manifest", or "status" and exit code 1
// where there is one.
class DatasetRegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteWhole(dir_.File("probe"), absl::StrCat("#!/bin/sh\ncd '", dir_.path(),
                                                "'\n[ -e status ] && cp status \"$4\" && exit 1\n"
                                                "cp manifest \"$4\"\n"));
    ASSERT_EQ(chmod(dir_.File("probe").c_str(), 0755), 0);
    v1::DatasetManifest manifest;
    manifest.set_count(10);
    manifest.set_fingerprint("f0");
    Found(manifest);
    Open({});
  }
  void Open(DatasetRegistry::Options options) {
    registry_.reset();
    database_.reset();
    Database::Options of_database;
    of_database.path = dir_.File("db");
    auto database = Database::Open(of_database);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    Inspector::Options of_inspector;
    of_inspector.probe_binary = dir_.File("probe");
    of_inspector.scratch_dir = dir_.File("scratch");
    of_inspector.max_remembered = 1;
    inspector_ = std::make_unique<Inspector>(of_inspector);
    registry_ = std::make_unique<DatasetRegistry>(options, *database_, *inspector_, clock_);
  }
  // What the probe finds from now on.
  void Found(const v1::DatasetManifest& manifest) {
    WriteWhole(dir_.File("manifest"), manifest.SerializeAsString());
  }

  static v1::Dataset Set(const std::string& name, const std::string& path) {
    v1::Dataset dataset;
    dataset.set_name(DatasetName(name));
    dataset.mutable_data()->set_dataset(path);
    return dataset;
  }
  std::vector<std::string> Names(const DatasetRegistry::Viewer& viewer, int page_size = 0) {
    std::vector<std::string> names;
    v1::ListDatasetsRequest request;
    request.set_page_size(page_size);
    do {
      const auto page = registry_->List(request, viewer);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return names;
      for (const v1::Dataset& dataset : page->datasets()) {
        names.push_back(absl::StrCat(dataset.owner(), ":", dataset.name().substr(9)));
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return names;
  }

  TempDir dir_;
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  std::unique_ptr<Database> database_;
  std::unique_ptr<Inspector> inspector_;
  std::unique_ptr<DatasetRegistry> registry_;
};

TEST_F(DatasetRegistryTest, KeepsWhatWasFoundAndWhoRegisteredIt) {
  v1::Dataset asked = Set("gz2/kaggle5", "/data/gz2.tar");
  asked.set_description("five classes");
  asked.set_owner("somebody");
  asked.mutable_data()->set_corrupt(v1::Data::POLICY_SKIP);
  asked.mutable_data()->mutable_image()->set_size(64);
  ASSERT_TRUE(registry_->Register(asked, "ana").ok());
  Open({});
  const auto stored = registry_->Get("gz2/kaggle5", kAna);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->name(), "datasets/gz2/kaggle5");
  EXPECT_EQ(stored->owner(), "ana");
  EXPECT_EQ(stored->description(), "five classes");
  EXPECT_EQ(ToTime(stored->create_time()), clock_.Now());
  EXPECT_EQ(stored->manifest().count(), 10);
  EXPECT_EQ(stored->data().dataset(), "/data/gz2.tar");
  EXPECT_EQ(stored->data().corrupt(), v1::Data::POLICY_SKIP);
  EXPECT_FALSE(stored->data().has_image()) << "views are the experiments'";
}

TEST_F(DatasetRegistryTest, RegistersNothingThatIsBad) {
  v1::DatasetManifest empty;
  Found(empty);
  const auto none = registry_->Register(Set("none", "/data/none"), "ana");
  EXPECT_EQ(ReasonOf(none.status()), "DATA_INVALID") << none.status();
  v1::DatasetManifest torn;
  torn.set_count(3);
  auto* problem = torn.add_problems();
  problem->set_kind("corrupt");
  problem->set_count(1);
  problem->add_names("7.jpg");
  Found(torn);
  v1::Dataset asked = Set("torn", "/data/torn");
  const auto refused = registry_->Register(asked, "ana");
  EXPECT_EQ(ReasonOf(refused.status()), "DATA_INVALID");
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("7.jpg"));
  asked.mutable_data()->set_corrupt(v1::Data::POLICY_SKIP);
  EXPECT_TRUE(registry_->Register(asked, "ana").ok());
  EXPECT_THAT(Names(kAna), ElementsAre("ana:torn"));
}

TEST_F(DatasetRegistryTest, RefusesBadRequests) {
  for (const char* name :
       {"", "Galaxies", "a.csv", "/a", "a/", "-a", "a//b", "blobs/a", "jobs/x"}) {
    const auto refused = registry_->Register(Set(name, "/data/a"), "ana");
    EXPECT_EQ(ReasonOf(refused.status()), "BAD_NAME") << name;
  }
  EXPECT_EQ(ReasonOf(registry_->Register(Set(std::string(101, 'a'), "/a"), "ana").status()),
            "BAD_NAME");
  v1::Dataset no_source;
  no_source.set_name("datasets/a");
  EXPECT_EQ(ReasonOf(registry_->Register(no_source, "ana").status()), "BAD_DATASET");
  v1::Dataset talkative = Set("a", "/data/a");
  talkative.set_description(std::string(1001, 'x'));
  EXPECT_EQ(ReasonOf(registry_->Register(talkative, "ana").status()), "BAD_DATASET");
}

TEST_F(DatasetRegistryTest, TheSameAgainChangesNothingAndAnythingElseIsRefused) {
  const auto first = registry_->Register(Set("gz", "/data/gz"), "ana");
  ASSERT_TRUE(first.ok());
  clock_.Advance(absl::Seconds(9));
  const auto again = registry_->Register(Set("gz", "/data/gz"), "ana");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  const auto other = registry_->Register(Set("gz", "/data/other"), "ana");
  EXPECT_EQ(ReasonOf(other.status()), "DATASET_EXISTS");
  EXPECT_TRUE(absl::IsAlreadyExists(other.status()));
}

TEST_F(DatasetRegistryTest, AnOwnerMayHaveSoMany) {
  Open({.max_per_owner = 2});
  EXPECT_TRUE(registry_->Register(Set("a", "/data/a"), "ana").ok());
  EXPECT_TRUE(registry_->Register(Set("b", "/data/b"), "ana").ok());
  const auto refused = registry_->Register(Set("c", "/data/c"), "ana");
  EXPECT_EQ(ReasonOf(refused.status()), "TOO_MANY_DATASETS");
  EXPECT_TRUE(registry_->Register(Set("c", "/data/c"), "ben").ok());
}

TEST_F(DatasetRegistryTest, ThoseOfOthersDoNotExist) {
  ASSERT_TRUE(registry_->Register(Set("gz", "/data/anas"), "ana").ok());
  EXPECT_EQ(ReasonOf(registry_->Get("gz", kBen).status()), "DATASET_NOT_FOUND");
  EXPECT_EQ(ReasonOf(registry_->Delete("gz", kBen)), "DATASET_NOT_FOUND");
  EXPECT_THAT(Names(kBen), IsEmpty());
  // Not even their name is taken, or suggested.
  EXPECT_THAT(std::string(registry_->Get("gzz", kBen).status().message()),
              ::testing::Not(HasSubstr("did you mean")));
  ASSERT_TRUE(registry_->Register(Set("gz", "/data/bens"), "ben").ok());
  EXPECT_EQ(registry_->Get("gz", kBen)->data().dataset(), "/data/bens");
  EXPECT_EQ(registry_->Get("gz", kAna)->data().dataset(), "/data/anas");
  EXPECT_THAT(Names(kRoot), ElementsAre("ana:gz", "ben:gz"));
}

TEST_F(DatasetRegistryTest, WhereEverybodySeesAllOnlyOwnersAndAdminsDelete) {
  Open({.visible_to_all = true});
  ASSERT_TRUE(registry_->Register(Set("gz", "/data/anas"), "ana").ok());
  EXPECT_EQ(registry_->Get("gz", kBen)->owner(), "ana");
  const absl::Status refused = registry_->Delete("gz", kBen);
  EXPECT_EQ(ReasonOf(refused), "NOT_OWNER");
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  // One's own comes before that of others.
  ASSERT_TRUE(registry_->Register(Set("gz", "/data/bens"), "ben").ok());
  EXPECT_EQ(registry_->Get("gz", kBen)->owner(), "ben");
  EXPECT_EQ(registry_->Get("gz", {"cleo", false})->owner(), "ana");
  EXPECT_TRUE(registry_->Delete("gz", kBen).ok());
  EXPECT_TRUE(registry_->Delete("gz", kRoot).ok());
  EXPECT_THAT(Names(kRoot), IsEmpty());
}

TEST_F(DatasetRegistryTest, ListsByNameInPages) {
  for (const char* name : {"c", "a", "b/2", "b/10"}) {
    ASSERT_TRUE(registry_->Register(Set(name, "/data"), "ana").ok());
  }
  ASSERT_TRUE(registry_->Register(Set("a", "/data"), "ben").ok());
  for (const int page_size : {0, 1, 2, 5}) {
    EXPECT_THAT(Names(kRoot, page_size),
                ElementsAre("ana:a", "ben:a", "ana:b/10", "ana:b/2", "ana:c"));
  }
  EXPECT_THAT(Names(kBen, 1), ElementsAre("ben:a"));
  for (const char* token : {"x", "/ y", "A b"}) {
    v1::ListDatasetsRequest request;
    request.set_page_token(token);
    EXPECT_EQ(ReasonOf(registry_->List(request, kAna).status()), "BAD_PAGE_TOKEN") << token;
  }
}

TEST_F(DatasetRegistryTest, ANameStandsForItsFilesAndPolicies) {
  v1::Dataset asked = Set("catalog", "");
  v1::Files& files = *asked.mutable_data()->mutable_files();
  files.add_images("/data/images.tar");
  files.set_table("/data/labels.csv");
  files.set_id("objid");
  asked.mutable_data()->set_unmatched(v1::Data::POLICY_SKIP);
  asked.set_target("class");
  ASSERT_TRUE(registry_->Register(asked, "ana").ok());

  v1::Data data;
  data.set_dataset("catalog");
  data.mutable_image()->set_size(64);
  data.set_corrupt(v1::Data::POLICY_SKIP);
  const auto resolved = registry_->Resolve("ana", data);
  ASSERT_TRUE(resolved.ok() && resolved->has_value());
  EXPECT_EQ((*resolved)->target(), "class");
  EXPECT_EQ(data.files().id(), "objid");
  EXPECT_EQ(data.image().size(), 64);
  EXPECT_EQ(data.unmatched(), v1::Data::POLICY_SKIP);
  EXPECT_EQ(data.corrupt(), v1::Data::POLICY_SKIP);

  v1::Data strict;
  strict.set_dataset("datasets/catalog");
  strict.set_unmatched(v1::Data::POLICY_REFUSE);
  ASSERT_TRUE(registry_->Resolve("ana", strict).ok());
  EXPECT_EQ(strict.unmatched(), v1::Data::POLICY_REFUSE) << "the experiment has the last word";
}

TEST_F(DatasetRegistryTest, PathsAndUnknownNamesAreLeftAsTheyAre) {
  ASSERT_TRUE(registry_->Register(Set("gz", "/data/gz"), "ana").ok());
  for (const char* text : {"/gz", "./gz", "../gz", "gz.tar", "other", "GZ", "gz/", ""}) {
    v1::Data data;
    data.set_dataset(text);
    const auto resolved = registry_->Resolve("ana", data);
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    EXPECT_FALSE(resolved->has_value()) << text;
    EXPECT_EQ(data.dataset(), text);
  }
}

TEST_F(DatasetRegistryTest, AnUploadIsItsSendersAlone) {
  Open({.visible_to_all = true});
  v1::Dataset asked = Set("sent", BlobName(std::string(64, 'a')));
  ASSERT_TRUE(registry_->Register(asked, "ana").ok());
  v1::Data data;
  data.set_dataset("sent");
  const auto refused = registry_->Resolve("ben", data);
  EXPECT_EQ(ReasonOf(refused.status()), "NOT_OWNER") << refused.status();
  EXPECT_TRUE(registry_->Resolve("ana", data).ok());
  EXPECT_EQ(data.dataset(), BlobName(std::string(64, 'a')));
  const auto sources = registry_->Sources();
  ASSERT_TRUE(sources.ok());
  ASSERT_EQ(sources->size(), 1u);
  EXPECT_EQ(sources->front().dataset(), BlobName(std::string(64, 'a')));
}

TEST_F(DatasetRegistryTest, ANameThatIsNoneIsSaidToBeNone) {
  ASSERT_TRUE(registry_->Register(Set("galaxies", "/data/gz"), "ana").ok());
  google::rpc::Status missing;
  const absl::Status error =
      ErrorWithReason(absl::StatusCode::kNotFound, "DATA_NOT_FOUND", "there is no galaxis");
  missing.set_code(5);
  missing.set_message(std::string(error.message()));
  error.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    auto* detail = missing.add_details();
    detail->set_type_url(std::string(url));
    detail->set_value(std::string(payload));
  });
  WriteWhole(dir_.File("status"), missing.SerializeAsString());
  v1::Data data;
  data.set_dataset("galaxis");
  const auto refused = registry_->Inspect(data, {}, "ana");
  EXPECT_EQ(ReasonOf(refused.status()), "DATA_NOT_FOUND");
  EXPECT_EQ(refused.status().message(),
            "there is no galaxis; and no data set is registered as 'galaxis'; did you mean "
            "'galaxies'?");
}

TEST_F(DatasetRegistryTest, ADamagedRowIsRefusedByNameAndHidesNoOther) {
  ASSERT_TRUE(registry_->Register(Set("a", "/data/a"), "ana").ok());
  ASSERT_TRUE(registry_->Register(Set("b", "/data/b"), "ana").ok());
  ASSERT_TRUE(database_
                  ->Write(Database::Priority::kControl,
                          [](Connection& connection) {
                            return connection.Execute(
                                "UPDATE datasets SET crc32c = crc32c + 1 WHERE name = 'a'");
                          })
                  .ok());
  EXPECT_EQ(ReasonOf(registry_->Get("a", kAna).status()), "STORE_CORRUPT");
  EXPECT_THAT(Names(kAna), ElementsAre("ana:b"));
  v1::Data data;
  data.set_dataset("a");
  EXPECT_EQ(ReasonOf(registry_->Resolve("ana", data).status()), "STORE_CORRUPT");
  EXPECT_TRUE(registry_->Delete("a", kAna).ok());
}

}  // namespace
}  // namespace skytrain
