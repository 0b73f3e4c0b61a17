// The real binary, as the daemon calls it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "skytrain/v1/dataset_service.pb.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

class Probe : public testing::Test {
 protected:
  // The exit code of skytrain-probe with `arguments`; its output goes to the file "text".
  int Run(const std::string& arguments) {
    const std::string command = absl::StrCat("'", SKYTRAIN_BIN_DIR, "/skytrain-probe' ", arguments,
                                             " >'", dir_.File("text"), "' 2>&1");
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int Ask(const v1::InspectDatasetRequest& request, const std::string& more = "") {
    WriteWhole(dir_.File("request"), request.SerializeAsString());
    return Run(absl::StrCat("--request '", dir_.File("request"), "' --out '", dir_.File("out"),
                            "' ", more));
  }
  static std::string Sample(const std::string& name) {
    return absl::StrCat(SKYTRAIN_SOURCE_DIR, "/tests/data/", name);
  }
  TempDir dir_;
};

TEST_F(Probe, WritesTheManifest) {
  v1::InspectDatasetRequest request;
  request.mutable_data()->set_dataset(Sample("galaxies3.tar"));
  ASSERT_EQ(Ask(request), 0) << ReadWhole(dir_.File("text"));
  v1::DatasetManifest manifest;
  ASSERT_TRUE(manifest.ParseFromString(ReadWhole(dir_.File("out"))));
  EXPECT_EQ(manifest.count(), 900);
  EXPECT_EQ(manifest.format(), v1::DatasetManifest::FORMAT_IMAGE_FOLDER);
  EXPECT_EQ(manifest.classes_size(), 3);
  EXPECT_EQ(manifest.fingerprint().size(), 64u);
}

TEST_F(Probe, WritesTheErrorWithItsReason) {
  v1::InspectDatasetRequest request;
  request.mutable_data()->set_dataset(Sample("galaxies4.tar"));
  ASSERT_EQ(Ask(request), 1);
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString(ReadWhole(dir_.File("out"))));
  EXPECT_EQ(status.code(), 5);  // NOT_FOUND
  EXPECT_THAT(status.message(), HasSubstr("is galaxies3.tar"));
  google::rpc::ErrorInfo info;
  ASSERT_EQ(status.details_size(), 1);
  ASSERT_TRUE(status.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "DATA_NOT_FOUND");
  EXPECT_EQ(info.domain(), "skytrain");
}

TEST_F(Probe, StaysBelowTheRoots) {
  v1::InspectDatasetRequest request;
  request.mutable_data()->set_dataset(Sample("iris.csv"));
  EXPECT_EQ(Ask(request, absl::StrCat("--root '", dir_.path(), "'")), 1);
  google::rpc::Status status;
  ASSERT_TRUE(status.ParseFromString(ReadWhole(dir_.File("out"))));
  EXPECT_EQ(status.code(), 7);  // PERMISSION_DENIED
  EXPECT_EQ(Ask(request, absl::StrCat("--root '", dir_.path(), "' --root '", Sample(""), "'")), 0);
}

TEST_F(Probe, TakesTheTargetOfATable) {
  v1::InspectDatasetRequest request;
  request.mutable_data()->set_dataset(Sample("old_faithful.csv"));
  // Two columns of numbers: which is the class? Before there is a task, nobody has to know.
  ASSERT_EQ(Ask(request), 0);
  v1::DatasetManifest manifest;
  ASSERT_TRUE(manifest.ParseFromString(ReadWhole(dir_.File("out"))));
  EXPECT_EQ(manifest.target(), "");
  EXPECT_EQ(manifest.columns_size(), 2);
  request.mutable_task()->mutable_classification();
  EXPECT_EQ(Ask(request), 1);
  request.mutable_task()->mutable_classification()->set_target("waiting");
  ASSERT_EQ(Ask(request), 0);
  ASSERT_TRUE(manifest.ParseFromString(ReadWhole(dir_.File("out"))));
  EXPECT_EQ(manifest.target(), "waiting");
  EXPECT_EQ(manifest.columns(0), "eruptions");
}

TEST_F(Probe, ShowsASummaryToPeople) {
  ASSERT_EQ(Run(absl::StrCat("'", Sample("galaxies3.tar"), "'")), 0);
  EXPECT_THAT(ReadWhole(dir_.File("text")), HasSubstr("900 images, 96x96 pixels"));
}

TEST_F(Probe, WrongUsageIsExitTwo) {
  EXPECT_EQ(Run(""), 2);
  EXPECT_EQ(Run("--request only"), 2);
  EXPECT_EQ(Run("--request /nonexistent --out /nonexistent/out"), 2);
  EXPECT_THAT(ReadWhole(dir_.File("text")), HasSubstr("cannot read the request"));
}

}  // namespace
}  // namespace skytrain
