#include "server/spec/import_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"
#include "server/spec/check.h"

namespace skytrain::spec {
namespace {

using testing::HasSubstr;

v1::ImportModelRequest Request() {
  v1::ImportModelRequest request;
  request.set_model_id("resnet18-imagenet");
  request.mutable_architecture()->mutable_resnet();
  request.mutable_image()->set_size(224);
  return request;
}

void Refused(const v1::ImportModelRequest& request, const std::string& field,
             const std::string& text) {
  const absl::Status status = PlanImport(request).status();
  EXPECT_EQ(ReasonOf(status), "INVALID_MODEL") << status;
  bool named = false;
  for (const FieldViolation& violation : ViolationsOf(status)) named |= violation.field == field;
  EXPECT_TRUE(named) << field << " in " << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

TEST(PlanImport, DefaultsMakeAnExperimentThatCouldBeRun) {
  const auto plan = PlanImport(Request());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->imagenet);
  EXPECT_EQ(plan->size, 224);
  EXPECT_EQ(plan->model.Name(), "resnet18");
  EXPECT_TRUE(plan->outputs.empty());
  EXPECT_TRUE(plan->experiment.task().has_classification());
  EXPECT_TRUE(MakePlan(plan->experiment).ok());
}

TEST(PlanImport, EveryWrongFieldIsNamedAsInTheRequest) {
  v1::ImportModelRequest request = Request();
  request.mutable_architecture()->mutable_resnet()->set_depth(19);
  request.mutable_image()->set_size(4);
  request.mutable_image()->mutable_normalize()->mutable_dataset();
  request.set_source(std::string(1001, 'x'));
  Refused(request, "architecture.resnet.depth", "must be 18, 34, 50 or 101, not 19");
  Refused(request, "image.size", "must be between 8 and 1024, not 4");
  Refused(request, "image.normalize", "must be imagenet or none");
  Refused(request, "source", "at most 1000 bytes, not 1001");
}

TEST(PlanImport, ArchitectureAndImageAreRequired) {
  v1::ImportModelRequest request = Request();
  request.clear_architecture();
  Refused(request, "architecture", "needs one of resnet");
  request = Request();
  request.clear_image();
  Refused(request, "image", "required");
  request.mutable_architecture()->mutable_mlp()->add_hidden(3);
  Refused(request, "image", "Models of tables cannot be imported");
}

TEST(PlanImport, OutputsHaveNamesOfTheirOwn) {
  v1::ImportModelRequest request = Request();
  for (const char* name : {"a", "b", "a"}) request.add_outputs(name);
  Refused(request, "outputs[2]", "is there twice");
  request.set_outputs(2, "");
  Refused(request, "outputs[2]", "is empty");
}

TEST(PlanImport, TargetsOfTheTaskAreOutputs) {
  v1::ImportModelRequest request = Request();
  request.mutable_task()->mutable_regression()->add_targets("redshift");
  EXPECT_EQ(PlanImport(request)->outputs, std::vector<std::string>{"redshift"});
  request.add_outputs("z");
  Refused(request, "outputs", "must be the targets of the task");
  request.mutable_task()->mutable_multi_label();
  EXPECT_EQ(PlanImport(request)->experiment.task().multi_label().targets(0), "z");
}

TEST(PlanImport, NamesBeginWithALetter) {
  for (const char* name : {"", "ab", "3d", "A-net", "a_net", "net-", "models/a"}) {
    v1::ImportModelRequest request = Request();
    request.set_model_id(name);
    EXPECT_EQ(ReasonOf(PlanImport(request).status()), "BAD_NAME") << name;
  }
  EXPECT_EQ(ReasonOf(ValidateImportId(std::string(41, 'a'))), "BAD_NAME");
  EXPECT_TRUE(ValidateImportId(std::string(40, 'a')).ok());
}

}  // namespace
}  // namespace skytrain::spec
