// An experiment against what the probe found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"
#include "server/spec/check.h"

namespace skytrain::spec {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::DatasetManifest Galaxies() {  // The counts of gz2-kaggle5.
  v1::DatasetManifest m;
  m.set_path("/data/gz2.tar");
  m.set_format(v1::DatasetManifest::FORMAT_IMAGE_FOLDER);
  const char* names[] = {"cigar", "round", "edge_on", "between", "spiral"};
  const int train[] = {33, 451, 203, 444, 843}, val[] = {8, 105, 47, 103, 197};
  auto* train_split = m.add_splits();
  auto* val_split = m.add_splits();
  train_split->set_name("train");
  val_split->set_name("val");
  for (int c = 0; c < 5; ++c) {
    auto* added = m.add_classes();
    added->set_name(names[c]);
    added->set_count(train[c] + val[c]);
    train_split->add_class_counts(train[c]);
    val_split->add_class_counts(val[c]);
  }
  train_split->set_count(1974);
  val_split->set_count(460);
  m.set_count(2434);
  return m;
}

v1::Experiment OnGalaxies() {
  v1::Experiment e;
  e.mutable_data()->set_dataset("gz2.tar");
  e.mutable_data()->mutable_image()->set_size(64);
  e.mutable_task()->mutable_classification();
  e.mutable_model()->mutable_resnet();
  e.mutable_train()->set_epochs(3);
  return e;
}

absl::StatusOr<v1::Estimate> Check(const v1::Experiment& e, const v1::DatasetManifest& m) {
  const auto plan = MakePlan(e);
  if (!plan.ok()) return plan.status();
  return CheckAgainstData(e, *plan, m);
}

v1::DatasetManifest WithProblem(const std::string& kind) {
  v1::DatasetManifest m = Galaxies();
  auto* problem = m.add_problems();
  problem->set_kind(kind);
  problem->set_count(7);
  for (const char* name : {"1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg"}) {
    problem->add_names(name);
  }
  return m;
}

TEST(CheckAgainstData, EstimatesFromShapesAndCounts) {
  const auto estimate = Check(OnGalaxies(), Galaxies());
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->parameters(), 11179077);
  EXPECT_EQ(estimate->train_samples(), 1777);
  EXPECT_EQ(estimate->validation_samples(), 197);
  EXPECT_EQ(estimate->test_samples(), 460);
  EXPECT_EQ(estimate->steps_per_epoch(), 13);
  EXPECT_THAT(estimate->classes(), ElementsAre("cigar", "round", "edge_on", "between", "spiral"));
  EXPECT_GT(estimate->memory_bytes(), int64_t{400} << 20);
  EXPECT_LT(estimate->memory_bytes(), int64_t{3} << 30);
}

TEST(CheckAgainstData, ClassWithoutATrainSampleIsAnEmptyClass) {
  v1::DatasetManifest m = Galaxies();
  auto* counts = m.mutable_splits(0)->mutable_class_counts();
  m.mutable_classes(0)->set_count(8);
  counts->Set(0, 0);
  const absl::Status status = Check(OnGalaxies(), m).status();
  EXPECT_EQ(ReasonOf(status), "DATA_INVALID");
  EXPECT_THAT(std::string(status.message()), HasSubstr("empty class: \"cigar\""));
}

TEST(CheckAgainstData, BatchMustFitTheTrainSplit) {
  v1::Experiment e = OnGalaxies();
  e.mutable_train()->set_batch_size(1778);
  const absl::Status status = Check(e, Galaxies()).status();
  EXPECT_EQ(ReasonOf(status), "INVALID_EXPERIMENT");
  ASSERT_EQ(ViolationsOf(status).size(), 1u);
  EXPECT_EQ(ViolationsOf(status)[0].field, "train.batch_size");
  EXPECT_THAT(ViolationsOf(status)[0].description, HasSubstr("at most 1,777"));
  e.mutable_train()->set_batch_size(1777);
  EXPECT_TRUE(Check(e, Galaxies()).ok());
}

TEST(CheckAgainstData, UnknownSplitNamesTheNearest) {
  v1::Experiment e = OnGalaxies();
  e.mutable_data()->mutable_splits()->mutable_test()->set_named("vall");
  const auto violations = ViolationsOf(Check(e, Galaxies()).status());
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "data.splits.test.named");
  EXPECT_THAT(violations[0].description, HasSubstr("did you mean val?"));
}

TEST(CheckAgainstData, ImageModelOnATableIsRefused) {
  v1::DatasetManifest m = Galaxies();
  m.set_format(v1::DatasetManifest::FORMAT_TABLE);
  const auto violations = ViolationsOf(Check(OnGalaxies(), m).status());
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[0].field, "data.image");
  EXPECT_EQ(violations[1].field, "model");
}

TEST(CheckAgainstData, MlpOnImagesWithoutAViewIsRefused) {
  v1::Experiment e = OnGalaxies();
  e.mutable_model()->mutable_mlp();
  EXPECT_TRUE(Check(e, Galaxies()).ok());
  e.mutable_data()->clear_image();
  EXPECT_EQ(ViolationsOf(Check(e, Galaxies()).status())[0].field, "data.image");
}

TEST(CheckAgainstData, ClassesAreMergedAndDroppedBeforeAnythingIsCounted) {
  v1::Experiment e = OnGalaxies();
  v1::Classes& classes = *e.mutable_data()->mutable_classes();
  (*classes.mutable_merge())["smooth"].add_names("cigar");
  (*classes.mutable_merge())["smooth"].add_names("round");
  classes.add_drop("spiral");
  const auto estimate = Check(e, Galaxies());
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_THAT(estimate->classes(), ElementsAre("between", "edge_on", "smooth"));
  EXPECT_EQ(DataWarning(e.data(), Galaxies()), "");

  classes.add_drop("spirals");
  const auto violations = ViolationsOf(Check(e, Galaxies()).status());
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "data.classes.drop");
  EXPECT_THAT(violations[0].description, HasSubstr("did you mean spiral?"));
}

TEST(CheckAgainstData, OneClassIsNotEnough) {
  v1::DatasetManifest m = Galaxies();
  m.mutable_classes()->DeleteSubrange(1, 4);
  for (auto& split : *m.mutable_splits()) split.mutable_class_counts()->Truncate(1);
  EXPECT_THAT(std::string(Check(OnGalaxies(), m).status().message()), HasSubstr("at least 2"));
}

struct ProblemCase {
  const char* kind;
  const char* says;
  void (*allow)(v1::Data&);  // Null: nothing allows it.
};

class EachProblem : public testing::TestWithParam<ProblemCase> {};

TEST_P(EachProblem, IsRefusedUnlessItsPolicySaysSkip) {
  const v1::DatasetManifest m = WithProblem(GetParam().kind);
  v1::Experiment e = OnGalaxies();
  const absl::Status status = Check(e, m).status();
  EXPECT_EQ(ReasonOf(status), "DATA_INVALID");
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().says));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg and 2 more"));
  if (GetParam().allow == nullptr) return;
  GetParam().allow(*e.mutable_data());
  EXPECT_TRUE(Check(e, m).ok()) << Check(e, m).status();
}

void SkipCorrupt(v1::Data& data) { data.set_corrupt(v1::Data::POLICY_SKIP); }
void SkipUnmatched(v1::Data& data) { data.set_unmatched(v1::Data::POLICY_SKIP); }

INSTANTIATE_TEST_SUITE_P(
    Problems, EachProblem,
    testing::Values(
        ProblemCase{"corrupt", "Allow it with data.corrupt: skip", SkipCorrupt},
        ProblemCase{"image_without_label", "Allow it with data.unmatched: skip", SkipUnmatched},
        ProblemCase{"label_without_image", "Allow it with data.unmatched: skip", SkipUnmatched},
        ProblemCase{"duplicate_id", "more than once", nullptr},
        ProblemCase{"empty_class", "empty class", nullptr}),
    [](const auto& info) { return std::string(info.param.kind); });

TEST(CheckDecodedSize, NamesWhatIsNeededAndWhatThereMayBe) {
  const ViewPlan view{.center_crop = 0.5, .size = 64};
  AugmentPlan turned;
  turned.rotate_degrees = 180;  // Canvas of 96 pixels.
  constexpr int64_t kPlain = int64_t{2434} * 64 * 64 * 3, kTurned = int64_t{2434} * 96 * 96 * 3;
  const auto refusal = [&](const AugmentPlan& augment, int64_t most) {
    return CheckDecodedSize(view, augment, Galaxies(), most, "data.image.size");
  };
  EXPECT_TRUE(refusal({}, 0).ok());
  EXPECT_TRUE(refusal({}, kPlain).ok());
  EXPECT_TRUE(refusal(turned, kTurned).ok());
  const absl::Status refused = refusal(turned, kTurned - 1);
  EXPECT_EQ(ReasonOf(refused), "INVALID_EXPERIMENT");
  ASSERT_EQ(ViolationsOf(refused).size(), 1u);
  EXPECT_EQ(ViolationsOf(refused)[0].field, "data.image.size");
  EXPECT_THAT(ViolationsOf(refused)[0].description,
              AllOf(HasSubstr("2,434 images of /data/gz2.tar take 67,295,232 bytes"),
                    HasSubstr("96x96"), HasSubstr("at most 67,295,231 (retention.cache_bytes)")));
  EXPECT_FALSE(refusal({}, kPlain - 1).ok());
  v1::DatasetManifest table = Galaxies();
  table.set_format(v1::DatasetManifest::FORMAT_TABLE);
  EXPECT_TRUE(CheckDecodedSize({}, {}, table, 1, "data.image.size").ok());
}

TEST(CheckAgainstData, GroupsNeedColumns) {
  v1::Experiment e = OnGalaxies();
  e.mutable_data()->mutable_splits()->set_group("field");
  const absl::Status refused = Check(e, Galaxies()).status();
  EXPECT_EQ(ReasonOf(refused), "INVALID_EXPERIMENT");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no column \"field\": /data/gz2.tar"));
  // A column of arrays, Parquet and shards is the probe's to find.
  v1::DatasetManifest m = Galaxies();
  for (const auto format : {v1::DatasetManifest::FORMAT_LABELLED_IMAGES,
                            v1::DatasetManifest::FORMAT_IMAGES_WITH_TABLE}) {
    m.set_format(format);
    EXPECT_TRUE(Check(e, m).ok()) << Check(e, m).status();
  }
}

TEST(DataWarning, NamesARareClass) {
  EXPECT_EQ(DataWarning({}, Galaxies()), "41 cigar of 2,434: consider class_weights");
}

TEST(DataWarning, IsSilentAboutABalancedSet) {
  v1::DatasetManifest m;
  m.set_count(150);
  for (int c = 0; c < 3; ++c) m.add_classes()->set_count(50);
  EXPECT_EQ(DataWarning({}, m), "");
}

TEST(CheckAgainstData, MirroredClassesAreThoseAfterMerging) {
  v1::Experiment e = OnGalaxies();
  auto& merge = *e.mutable_data()->mutable_classes()->mutable_merge();
  merge["smooth"].add_names("round");
  merge["smooth"].add_names("between");
  v1::Augment& augment = *e.mutable_data()->mutable_augment();
  augment.set_flip(true);
  for (const char* name : {"smooth", "spiral"}) {
    if (augment.flip_swaps_classes().empty()) augment.add_flip_swaps_classes();
    augment.mutable_flip_swaps_classes(0)->add_names(name);
  }
  EXPECT_TRUE(Check(e, Galaxies()).ok());
  augment.mutable_flip_swaps_classes(0)->set_names(0, "round");
  const auto found = ViolationsOf(Check(e, Galaxies()).status());
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].field, "data.augment.flip_swaps_classes[0]");
  EXPECT_THAT(found[0].description, HasSubstr("there is no class \"round\""));
}

}  // namespace
}  // namespace skytrain::spec
