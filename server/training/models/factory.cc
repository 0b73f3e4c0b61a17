#include "server/training/models/factory.h"

#include <array>
#include <cmath>

#include "ATen/ATen.h"
#include "ATen/CPUGeneratorImpl.h"
#include "server/data/random.h"
#include "server/training/models/convnext.h"
#include "server/training/models/efficientnet.h"
#include "server/training/models/mlp.h"
#include "server/training/models/resnet.h"
#include "server/training/models/small_cnn.h"
#include "server/training/models/vit.h"
#include "server/training/models/wide_resnet.h"

namespace skytrain::training {

absl::StatusOr<std::unique_ptr<Model>> MakeModel(const spec::ModelPlan& plan, int64_t classes,
                                                 int64_t inputs, uint64_t seed) {
  const std::array<uint32_t, 4> draw = data::Draw(seed, data::Purpose::kInit, 0, 0);
  at::Generator generator = at::detail::createCPUGenerator(uint64_t{draw[1]} << 32 | draw[0]);
  switch (plan.family) {
    case spec::ModelPlan::Family::kResnet:
      return MakeResnet(plan, classes, generator);
    case spec::ModelPlan::Family::kSmallCnn:
      return MakeSmallCnn(plan.width, classes, generator);
    case spec::ModelPlan::Family::kWideResnet:
      return MakeWideResnet(plan, classes, generator);
    case spec::ModelPlan::Family::kConvnext:
      return MakeConvnext(plan, classes, generator);
    case spec::ModelPlan::Family::kEfficientnet:
      return MakeEfficientnet(plan, classes, generator);
    case spec::ModelPlan::Family::kVit:
      return MakeVit(plan, std::llround(std::sqrt(static_cast<double>(inputs) / 3.0)), classes,
                     generator);
    case spec::ModelPlan::Family::kMlp:
      break;
  }
  return MakeMlp(plan, inputs, classes, generator);
}

}  // namespace skytrain::training
