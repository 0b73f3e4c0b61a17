#include "server/training/checkpoint/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "server/spec/check.h"
#include "server/training/checkpoint/model_folder.h"
#include "server/training/checkpoint/safetensors.h"
#include "server/training/checkpoint/tensor_io.h"
#include "server/training/models/factory.h"
#include "tests/support/temp_dir.h"

namespace skytrain::training {
namespace {

using testing::HasSubstr;

class ImportModelTest : public ::testing::Test {
 protected:
  ImportModelTest() {
    request_.set_model_id("published");
    request_.mutable_architecture()->mutable_small_cnn()->set_width(4);
    request_.mutable_image()->set_size(32);
    for (const char* name : {"edge_on", "elliptical", "spiral"}) request_.add_outputs(name);
    request_.set_source("a paper");
    spec::ModelPlan plan;
    plan.family = spec::ModelPlan::Family::kSmallCnn;
    plan.width = 4;
    model_ = *MakeModel(plan, 3, 3 * 32 * 32, 7);
    for (const NamedTensor& named : model_->State()) state_.push_back(named);
  }

  at::Tensor& Tensor(const std::string& name) {
    for (NamedTensor& named : state_) {
      if (named.name == name) return named.tensor;
    }
    ADD_FAILURE() << name;
    return state_[0].tensor;
  }

  // A file of `state_`, as F32 and I64, or another type for what is float.
  std::string Save(const std::string& dtype = "F32") {
    std::vector<at::Tensor> rows;
    std::vector<TensorView> views;
    const auto type = dtype == "F16" ? at::kHalf : dtype == "BF16" ? at::kBFloat16 : at::kFloat;
    for (const NamedTensor& named : state_) {
      const bool real = named.tensor.is_floating_point();
      const at::Tensor& tensor = rows.emplace_back(real && named.tensor.scalar_type() == at::kFloat
                                                       ? named.tensor.to(type).contiguous()
                                                       : named.tensor.contiguous());
      const std::string name = tensor.scalar_type() == at::kDouble ? "F64" : real ? dtype : "I64";
      views.push_back({named.name, name, tensor.sizes().vec(),
                       absl::string_view(static_cast<const char*>(tensor.const_data_ptr()),
                                         static_cast<size_t>(tensor.nbytes()))});
    }
    const std::string path = dir_.File(absl::StrCat("w", files_++, ".safetensors"));
    EXPECT_TRUE(WriteSafetensors(FileSystem::Posix(), path, views, {}).ok());
    return path;
  }

  absl::StatusOr<v1::Model> Import(const std::string& path) {
    folder_ = dir_.File(absl::StrCat("model", files_++));
    return ImportModel(FileSystem::Posix(), request_, path, folder_);
  }

  void Refused(const std::string& path, const std::string& field, const std::string& text) {
    const absl::Status status = Import(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ReasonOf(status), "INVALID_MODEL") << status;
    ASSERT_FALSE(ViolationsOf(status).empty());
    EXPECT_EQ(ViolationsOf(status)[0].field, field);
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
    EXPECT_FALSE(FileSystem::Posix().Exists(folder_));
  }

  LoadedModel Read() {
    auto loaded = ReadModelFolder(FileSystem::Posix(), folder_);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return *std::move(loaded);
  }

  const TempDir dir_;
  int files_ = 0;
  std::string folder_;
  v1::ImportModelRequest request_;
  std::unique_ptr<Model> model_;
  std::vector<NamedTensor> state_;
};

TEST_F(ImportModelTest, FolderHasTheSameWeightsAndACardThatWorks) {
  const auto answer = Import(Save());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->family(), "small_cnn");
  EXPECT_EQ(answer->parameters(), model_->ParameterCount());
  EXPECT_EQ(answer->classes_size(), 3);
  const LoadedModel loaded = Read();
  ASSERT_EQ(loaded.state.size(), state_.size());
  std::map<std::string, at::Tensor> tensors;
  for (const NamedTensor& named : loaded.state) tensors[named.name] = named.tensor;
  for (const NamedTensor& named : state_) {
    EXPECT_TRUE(at::equal(tensors[named.name], named.tensor)) << named.name;
  }
  const ModelCard& card = loaded.card;
  EXPECT_EQ(card.classes, (std::vector<std::string>{"edge_on", "elliptical", "spiral"}));
  EXPECT_EQ(card.normalisation.mean, (std::vector<double>{0.485, 0.456, 0.406}));
  EXPECT_EQ(card.job, "");
  EXPECT_EQ(card.source, "a paper");
  EXPECT_TRUE(card.reports.empty());
  // What evaluating it begins with.
  const auto plan = spec::MakePlan(card.experiment);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->view.size, 32);
  EXPECT_EQ(plan->model.width, 4);
}

TEST_F(ImportModelTest, HalvesBecomeFloat32) {
  for (const char* dtype : {"F16", "BF16"}) {
    const auto answer = Import(Save(dtype));
    ASSERT_TRUE(answer.ok()) << answer.status();
    for (const NamedTensor& named : Read().state) {
      const at::Tensor& original = Tensor(named.name);
      if (!original.is_floating_point()) continue;
      EXPECT_EQ(named.tensor.scalar_type(), at::kFloat);
      const auto half = std::string(dtype) == "F16" ? at::kHalf : at::kBFloat16;
      EXPECT_TRUE(at::equal(named.tensor, original.to(half).to(at::kFloat))) << named.name;
    }
  }
}

TEST_F(ImportModelTest, CountersThatAreMissingAreZero) {
  std::erase_if(state_, [](const NamedTensor& t) { return !t.tensor.is_floating_point(); });
  ASSERT_TRUE(Import(Save()).ok());
  int counters = 0;
  for (const NamedTensor& named : Read().state) {
    if (named.tensor.is_floating_point()) continue;
    ++counters;
    EXPECT_EQ(named.tensor.item<int64_t>(), 0);
  }
  EXPECT_EQ(counters, 4);
}

TEST_F(ImportModelTest, OutputsHaveNumbersWhereTheyHaveNoNames) {
  request_.clear_outputs();
  ASSERT_TRUE(Import(Save()).ok());
  EXPECT_EQ(Read().card.classes, (std::vector<std::string>{"0", "1", "2"}));
}

TEST_F(ImportModelTest, RegressionPutsOutItsTargets) {
  request_.mutable_task()->mutable_regression();
  ASSERT_TRUE(Import(Save()).ok());
  const ModelCard card = Read().card;
  EXPECT_TRUE(card.classes.empty());
  EXPECT_EQ(card.targets.size(), 3u);
  EXPECT_EQ(card.target_mean, (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(card.target_deviation, (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(card.experiment.task().regression().targets_size(), 3);
}

TEST_F(ImportModelTest, DryRunWritesNothing) {
  request_.set_validate_only(true);
  const auto answer = Import(Save());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_FALSE(FileSystem::Posix().Exists(folder_));
}

TEST_F(ImportModelTest, BrokenNumbersAreRefusedByName) {
  Tensor("features.1.conv.weight").view({-1})[5] = std::numeric_limits<float>::quiet_NaN();
  Refused(Save(), "blob", R"(tensor "features.1.conv.weight" holds numbers that are not finite)");
  Tensor("features.1.conv.weight").view({-1})[5] = std::numeric_limits<float>::infinity();
  Refused(Save(), "blob", "features.1.conv.weight");
  Tensor("features.1.conv.weight").view({-1})[5] = 0;
  Tensor("features.2.bn.running_var")[1] = -1;
  Refused(Save(), "blob", R"("features.2.bn.running_var" holds negative variances)");
}

TEST_F(ImportModelTest, OtherTypesAreRefusedByName) {
  Tensor("fc.bias") = Tensor("fc.bias").to(at::kDouble);
  Refused(Save(), "blob", R"(tensor "fc.bias" is F64: F32, F16 or BF16 is needed)");
}

TEST_F(ImportModelTest, LastLayerMustFitItselfAndTheNames) {
  request_.add_outputs("ring");
  Refused(Save(), "outputs", "are 4, but the last layer of these weights has 3");
  request_.mutable_outputs()->RemoveLast();
  Tensor("fc.bias") = at::zeros({2});
  Refused(Save(), "blob", "its last layer has 3 weights and 2 biases");
}

TEST_F(ImportModelTest, EveryOtherFileIsRefused) {
  const auto write = [&](const std::string& content) {
    const std::string path = dir_.File(absl::StrCat("bad", files_++));
    EXPECT_TRUE(WriteFileAtomically(FileSystem::Posix(), path, content).ok());
    return path;
  };
  const std::string good = ReadWhole(Save());
  Refused(write(""), "blob", "it has only 0 bytes");
  Refused(write("PK\x03\x04 archive/data.pkl"), "blob", "is a file of PyTorch or NumPy");
  Refused(write(std::string("\x80\x02}q\0", 5) + good), "blob", "is a file of PyTorch or NumPy");
  Refused(write(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + good), "blob",
          "its header claims");
  Refused(write(good + "trailing"), "blob", "8 bytes belong to no tensor");
  Refused(write(good.substr(0, good.size() - 4)), "blob", "lies at bytes");
  std::string overlapping = good;
  const size_t at = overlapping.find("\"data_offsets\":[0,");
  ASSERT_NE(at, std::string::npos);
  overlapping.replace(at, 18, "\"data_offsets\":[1,");
  Refused(write(overlapping), "blob", "which its shape contradicts");
}

TEST_F(ImportModelTest, FileThatIsNotThereIsNoCrash) {
  EXPECT_TRUE(absl::IsNotFound(Import(dir_.File("nothing")).status()));
}

}  // namespace
}  // namespace skytrain::training
