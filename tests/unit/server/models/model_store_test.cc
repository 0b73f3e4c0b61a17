#include "server/models/model_store.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

namespace fs = std::filesystem;

class ModelStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { OpenStore(); }

  void OpenStore() {
    store_.reset();
    database_.reset();
    Database::Options options;
    options.path = root_ + "/db";
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    store_ =
        std::make_unique<ModelStore>(root_ + "/models", *database_, FileSystem::Posix(), clock_);
  }

  static void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }

  // An attempt folder with a model whose weights are `weights`.
  std::string Attempt(const std::string& name, const std::string& weights,
                      const std::string& stated_sha256 = "") {
    const std::string dir = root_ + "/" + name;
    Write(dir + "/model/model.safetensors", weights);
    Write(dir + "/model/model.json",
          R"({"family": "resnet18", "classes": ["edge_on", "spiral"], "parameters": 12, "step": 30,
              "unknown": {"to": "us"}, "sha256": ")" +
              (stated_sha256.empty() ? Sha256Hex(weights) : stated_sha256) +
              R"(", "reports": [{"split": "test", "count": 3, "loss": 0.5, "accuracy": 0.75,
                 "balanced_accuracy": 0.7, "classes": ["edge_on", "spiral"], "recall": [1, null],
                 "confusion_matrix": [[1, 0], [1, 1]]}]})");
    return dir;
  }

  static inline const ModelStore::Viewer kAna = {"ana", false};

  static v1::Job Job(const std::string& id, const std::string& uid,
                     const std::string& owner = "ana") {
    v1::Job job;
    job.set_name("jobs/" + id);
    job.set_uid(uid);
    job.set_owner(owner);
    return job;
  }

  const TempDir dir_;
  const std::string root_ = dir_.path();
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  std::unique_ptr<Database> database_;
  std::unique_ptr<ModelStore> store_;
};

TEST_F(ModelStoreTest, PublishedModelSaysWhatTheCardSays) {
  const auto model = store_->Publish(Job("galaxies-7k2m", "u1"), Attempt("u1-1", "weights"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name(), "models/galaxies-7k2m/versions/1");
  EXPECT_EQ(model->job(), "jobs/galaxies-7k2m");
  EXPECT_EQ(model->owner(), "ana");
  EXPECT_EQ(model->create_time().seconds(), 1'700'000'000);
  EXPECT_EQ(model->family(), "resnet18");
  EXPECT_EQ(model->parameters(), 12);
  EXPECT_EQ(model->step(), 30);
  ASSERT_EQ(model->classes_size(), 2);
  ASSERT_EQ(model->reports_size(), 1);
  EXPECT_EQ(model->reports(0).accuracy(), 0.75);
  EXPECT_EQ(model->reports(0).confusion_matrix_size(), 4);
  EXPECT_TRUE(std::isnan(model->reports(0).recall(1)));
  ASSERT_EQ(model->files_size(), 2);
  EXPECT_EQ(model->files(1).name(), "model.safetensors");
  EXPECT_EQ(model->files(1).blob(), "models/galaxies-7k2m/versions/1/files/model.safetensors");
  EXPECT_EQ(model->files(1).size_bytes(), 7);
  EXPECT_EQ(model->files(1).sha256(), Sha256Hex("weights"));
  EXPECT_TRUE(fs::exists(store_->DirOf(*model) + "/model.json"));
}

TEST_F(ModelStoreTest, ModelOfSomebodyElseDoesNotExistButForAdmins) {
  ASSERT_TRUE(store_->Publish(Job("galaxies", "u1"), Attempt("u1-1", "weights")).ok());
  const ModelStore::Viewer eve = {"eve", false}, admin = {"eve", true};
  EXPECT_EQ(ReasonOf(store_->Get("galaxies@1", eve).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(store_->Get("galaxie", eve).status().message().find("did you mean"),
            absl::string_view::npos);
  EXPECT_EQ(store_->List({}, eve)->models_size(), 0);
  EXPECT_TRUE(store_->Get("galaxies@1", admin).ok());
  EXPECT_EQ(store_->List({}, admin)->models_size(), 1);

  // The job is deleted, and somebody takes its name.
  ASSERT_TRUE(store_->Publish(Job("galaxies", "u2", "eve"), Attempt("u2-1", "other")).ok());
  EXPECT_EQ(store_->Get("galaxies", kAna)->name(), "models/galaxies/versions/1");
  EXPECT_EQ(store_->Get("galaxies", eve)->name(), "models/galaxies/versions/2");
  EXPECT_EQ(ReasonOf(store_->Get("galaxies@2", kAna).status()), "MODEL_NOT_FOUND");
}

TEST_F(ModelStoreTest, FilesOutliveTheAttempt) {
  const std::string attempt = Attempt("u1-1", "weights");
  const auto model = store_->Publish(Job("galaxies-7k2m", "u1"), attempt);
  ASSERT_TRUE(model.ok()) << model.status();
  fs::remove_all(attempt);
  EXPECT_EQ(fs::file_size(store_->DirOf(*model) + "/model.safetensors"), 7u);
}

TEST_F(ModelStoreTest, TheSameJobPublishesOnce) {
  const std::string attempt = Attempt("u1-1", "weights");
  const auto first = store_->Publish(Job("galaxies-7k2m", "u1"), attempt);
  OpenStore();
  const auto again = store_->Publish(Job("galaxies-7k2m", "u1"), attempt);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(store_->List({}, kAna).value().models_size(), 1);
}

TEST_F(ModelStoreTest, JobWithTheIdOfADeletedOnePublishesTheNextVersion) {
  ASSERT_TRUE(store_->Publish(Job("galaxies-7k2m", "u1"), Attempt("u1-1", "old")).ok());
  const auto second = store_->Publish(Job("galaxies-7k2m", "u2"), Attempt("u2-1", "new"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->name(), "models/galaxies-7k2m/versions/2");
  EXPECT_EQ(store_->Get("models/galaxies-7k2m", kAna)->name(), second->name());
  EXPECT_EQ(store_->Get("galaxies-7k2m@1", kAna)->files(1).sha256(), Sha256Hex("old"));
}

TEST_F(ModelStoreTest, FolderThatADeadDaemonLeftIsReplaced) {
  Write(root_ + "/models/galaxies-7k2m/1/model.safetensors", "half");
  Write(root_ + "/models/galaxies-7k2m/1.tmp/model.safetensors", "less");
  const auto model = store_->Publish(Job("galaxies-7k2m", "u1"), Attempt("u1-1", "weights"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(fs::file_size(store_->DirOf(*model) + "/model.safetensors"), 7u);
  EXPECT_FALSE(fs::exists(root_ + "/models/galaxies-7k2m/1.tmp"));
}

TEST_F(ModelStoreTest, DamagedOrAbsentModelsAreNotPublished) {
  EXPECT_EQ(ReasonOf(store_->Publish(Job("none-aaaa", "u1"), root_ + "/absent").status()),
            "MODEL_NOT_WRITTEN");
  EXPECT_EQ(
      ReasonOf(
          store_->Publish(Job("torn-aaaa", "u2"), Attempt("u2-1", "weights", Sha256Hex("other")))
              .status()),
      "MODEL_CORRUPT");
  const std::string attempt = Attempt("u3-1", "weights");
  Write(attempt + "/model/model.json", "{\"family\": 3}");
  EXPECT_EQ(ReasonOf(store_->Publish(Job("card-aaaa", "u3"), attempt).status()), "MODEL_CORRUPT");
  EXPECT_EQ(store_->List({}, kAna).value().models_size(), 0);
}

TEST_F(ModelStoreTest, UnknownModelsNameTheNearest) {
  ASSERT_TRUE(store_->Publish(Job("galaxies-7k2m", "u1"), Attempt("u1-1", "weights")).ok());
  const auto status = store_->Get("models/galaxies-7k2n", kAna).status();
  EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
  EXPECT_NE(status.message().find("galaxies-7k2m"), absl::string_view::npos) << status;
  EXPECT_EQ(ReasonOf(store_->Get("galaxies-7k2m@2", kAna).status()), "MODEL_NOT_FOUND");
}

TEST_F(ModelStoreTest, ListsPageByPageNewestFirst) {
  for (int i = 0; i < 5; ++i) {
    const std::string uid = absl::StrCat("u", i);
    ASSERT_TRUE(store_->Publish(Job("model-" + uid, uid), Attempt(uid + "-1", "w")).ok());
    if (i % 2 == 0) clock_.Advance(absl::Seconds(1));  // Some share a moment.
  }
  std::string names;
  v1::ListModelsRequest request;
  request.set_page_size(2);
  int pages = 0;
  do {
    const auto page = store_->List(request, kAna);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Model& model : page->models()) names += model.name().substr(13, 2) + " ";
    request.set_page_token(page->next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(names, "u4 u3 u2 u1 u0 ");
  EXPECT_EQ(pages, 3);
  request.set_page_token("nonsense");
  EXPECT_EQ(ReasonOf(store_->List(request, kAna).status()), "BAD_PAGE_TOKEN");
}

const ModelStore::UserOf kUnused = [](const std::string&) { return std::string(); };

TEST_F(ModelStoreTest, AliasesStandForAVersionUntilTheyAreMoved) {
  ASSERT_TRUE(store_->Publish(Job("gal", "u1"), Attempt("u1-1", "old")).ok());
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(store_->Publish(Job("gal", "u2"), Attempt("u2-1", "new")).ok());
  const auto named = store_->SetAlias("gal@1", "best", kAna);
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->aliases(0), "best");
  ASSERT_TRUE(store_->SetAlias("gal@1", "a-first", kAna).ok());
  EXPECT_EQ(store_->Get("gal@best", kAna)->name(), "models/gal/versions/1");
  OpenStore();
  EXPECT_EQ(store_->Get("models/gal/aliases/best", kAna)->files(1).sha256(), Sha256Hex("old"));
  EXPECT_EQ(store_->Get("gal@1", kAna)->aliases_size(), 2);
  EXPECT_EQ(store_->Get("gal@2", kAna)->aliases_size(), 0);
  ASSERT_TRUE(store_->SetAlias("gal", "best", kAna).ok());  // The newest.
  EXPECT_EQ(store_->Get("gal@best", kAna)->name(), "models/gal/versions/2");
  const auto list = store_->List({}, kAna);
  ASSERT_EQ(list->models_size(), 2);
  EXPECT_EQ(list->models(0).aliases(0), "best");
  EXPECT_EQ(list->models(1).aliases(0), "a-first");
  // An alias of an alias is one of the version.
  ASSERT_TRUE(store_->SetAlias("gal@a-first", "oldest", kAna).ok());
  EXPECT_EQ(store_->Get("gal@oldest", kAna)->name(), "models/gal/versions/1");
  EXPECT_TRUE(store_->DeleteAlias("gal@oldest", kAna).ok());
  EXPECT_EQ(ReasonOf(store_->DeleteAlias("gal@oldest", kAna)), "MODEL_NOT_FOUND");
  EXPECT_TRUE(store_->Get("gal@1", kAna).ok());
}

TEST_F(ModelStoreTest, BadAliasesAreRefusedAndUnknownOnesNameTheOthers) {
  ASSERT_TRUE(store_->Publish(Job("gal", "u1"), Attempt("u1-1", "w")).ok());
  for (const char* alias : {"", "2", "Best", "a/b"}) {
    EXPECT_EQ(ReasonOf(store_->SetAlias("gal@1", alias, kAna).status()), "BAD_NAME") << alias;
  }
  EXPECT_EQ(ReasonOf(store_->SetAlias("gal@2", "best", kAna).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->DeleteAlias("gal@1", kAna)), "BAD_NAME");
  const auto none = store_->Get("gal@bset", kAna).status();
  EXPECT_NE(none.message().find("has no alias"), absl::string_view::npos) << none;
  ASSERT_TRUE(store_->SetAlias("gal@1", "best", kAna).ok());
  const auto other = store_->Get("gal@bset", kAna).status();
  EXPECT_EQ(ReasonOf(other), "MODEL_NOT_FOUND");
  EXPECT_NE(other.message().find("its aliases are best"), absl::string_view::npos) << other;
}

TEST_F(ModelStoreTest, AModelMayHaveSoManyAliases) {
  ASSERT_TRUE(store_->Publish(Job("gal", "u1"), Attempt("u1-1", "w")).ok());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(store_->SetAlias("gal", absl::StrCat("a", i), kAna).ok());
  }
  EXPECT_EQ(ReasonOf(store_->SetAlias("gal", "one-more", kAna).status()), "TOO_MANY_ALIASES");
  EXPECT_EQ(store_->Get("gal", kAna)->aliases_size(), 100);
  EXPECT_TRUE(store_->SetAlias("gal", "a7", kAna).ok()) << "moving one makes no more";
}

TEST_F(ModelStoreTest, DeletedVersionTakesItsAliasesAndFilesAndItsNumberIsNotUsedAgain) {
  ASSERT_TRUE(store_->Publish(Job("gal", "u1"), Attempt("u1-1", "a")).ok());
  ASSERT_TRUE(store_->Publish(Job("gal", "u2"), Attempt("u2-1", "b")).ok());
  ASSERT_TRUE(store_->SetAlias("gal@1", "old", kAna).ok());
  ASSERT_TRUE(store_->SetAlias("gal@2", "best", kAna).ok());
  const std::string dir = store_->DirOf(*store_->Get("gal@2", kAna));
  EXPECT_EQ(ReasonOf(store_->Delete("gal", kAna, kUnused)), "VERSION_NEEDED");
  ASSERT_TRUE(store_->Delete("gal@best", kAna, kUnused).ok());
  EXPECT_FALSE(fs::exists(dir));
  EXPECT_EQ(ReasonOf(store_->Get("gal@best", kAna).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->Get("gal@2", kAna).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(store_->Get("gal@old", kAna)->name(), "models/gal/versions/1");
  EXPECT_EQ(ReasonOf(store_->Delete("gal@2", kAna, kUnused)), "MODEL_NOT_FOUND");
  OpenStore();
  const auto next = store_->Publish(Job("gal", "u3"), Attempt("u3-1", "c"));
  EXPECT_EQ(next->name(), "models/gal/versions/3");
  EXPECT_TRUE(store_->Delete("gal@3", kAna, kUnused).ok());
  EXPECT_TRUE(store_->Delete("gal", kAna, kUnused).ok()) << "one version: no doubt which";
  EXPECT_EQ(store_->Publish(Job("gal", "u4"), Attempt("u4-1", "d"))->name(),
            "models/gal/versions/4");
}

TEST_F(ModelStoreTest, VersionThatAJobNeedsIsNotDeleted) {
  ASSERT_TRUE(store_->Publish(Job("gal", "u1"), Attempt("u1-1", "w")).ok());
  std::string asked;
  const absl::Status refused = store_->Delete("gal", kAna, [&](const std::string& model) {
    asked = model;
    return std::string("jobs/evaluate-gal");
  });
  EXPECT_EQ(asked, "models/gal/versions/1");
  EXPECT_EQ(ReasonOf(refused), "MODEL_IN_USE");
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  ASSERT_EQ(PreconditionsOf(refused).size(), 1u);
  EXPECT_EQ(PreconditionsOf(refused)[0].subject, "jobs/evaluate-gal");
  EXPECT_TRUE(store_->Get("gal@1", kAna).ok());
}

TEST_F(ModelStoreTest, OnlyOwnersAndAdminsChangeModels) {
  ASSERT_TRUE(store_->Publish(Job("gal", "u1"), Attempt("u1-1", "w")).ok());
  const ModelStore::Viewer eve = {"eve", false}, admin = {"root", true};
  EXPECT_EQ(ReasonOf(store_->SetAlias("gal@1", "best", eve).status()), "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->Delete("gal@1", eve, kUnused)), "MODEL_NOT_FOUND");
  ModelStore open(root_ + "/models", *database_, FileSystem::Posix(), clock_,
                  /*visible_to_all=*/true);
  EXPECT_EQ(ReasonOf(open.SetAlias("gal@1", "best", eve).status()), "NOT_OWNER");
  EXPECT_EQ(ReasonOf(open.Delete("gal@1", eve, kUnused)), "NOT_OWNER");
  EXPECT_TRUE(open.SetAlias("gal@1", "best", admin).ok());
  EXPECT_TRUE(open.Get("gal@best", eve).ok());
  EXPECT_EQ(ReasonOf(open.DeleteAlias("gal@best", eve)), "NOT_OWNER");
  // Of a model whose name two people's jobs had, each has their own aliases.
  ASSERT_TRUE(store_->Publish(Job("gal", "u2", "eve"), Attempt("u2-1", "x")).ok());
  EXPECT_EQ(ReasonOf(store_->SetAlias("gal@2", "best", eve).status()), "NOT_OWNER");
  EXPECT_EQ(ReasonOf(store_->Get("gal@best", eve).status()), "MODEL_NOT_FOUND");
  EXPECT_TRUE(store_->SetAlias("gal", "mine", eve).ok());
  EXPECT_EQ(store_->Get("gal@best", kAna)->name(), "models/gal/versions/1");
}

TEST_F(ModelStoreTest, ModelKnowsTheNameAndFingerprintOfItsData) {
  const std::string attempt = Attempt("u1-1", "w");
  Write(attempt + "/model/model.json", R"({"family": "mlp", "data_fingerprint": "f0"})");
  v1::Job job = Job("gal", "u1");
  job.set_dataset("datasets/gz2");
  const auto model = store_->Publish(job, attempt);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->dataset(), "datasets/gz2");
  EXPECT_EQ(model->data_fingerprint(), "f0");
}

}  // namespace
}  // namespace skytrain
